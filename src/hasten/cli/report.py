"""`hasten report`: the page of a run."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.record import load

EXAMPLES = ("hasten report runs/digits-20260101-120000",)

EVIDENCE = "evidence.json"
REPORT = "report.html"


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished `hasten run`.")]) -> None:
    """Write the page of a run again, from its evidence."""
    from hasten.report.html import write_html
    from hasten.report.terminal import Screen

    if not (run / EVIDENCE).is_file():
        found = "no such folder" if not run.is_dir() else f"a folder without {EVIDENCE}"
        raise BadInput(f"{run} must be the folder of a `hasten run` that came to its end; found: {found}.")
    evidence = load(Evidence, run / EVIDENCE)
    write_html(evidence, run / REPORT)
    with Screen() as screen:
        screen.show(evidence)
        screen.show(Reported(path=str(run / REPORT)))
