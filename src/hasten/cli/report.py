"""`hasten report`: the HTML report of a run."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.evidence import Reported
from hasten.cli.run import next_after

EXAMPLES = ("hasten report runs/digits-20260101-120000",)


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished `hasten run`.")]) -> None:
    """Write the HTML report of a run again, from its evidence."""
    from hasten.report.evidence_file import read_evidence
    from hasten.report.html import write_html
    from hasten.report.terminal import Screen
    from hasten.training.run_folder import EVIDENCE, REPORT

    if not (run / EVIDENCE).is_file():
        found = f"no such folder: {run}" if not run.is_dir() else f"no {EVIDENCE} in {run}"
        raise BadInput(f"{found}. Pass the folder of a finished `hasten run`.")
    evidence = read_evidence(run / EVIDENCE)
    write_html(evidence, run / REPORT)
    with Screen() as screen:
        screen.show(evidence)
        screen.show(Reported(path=str(run / REPORT)))
        screen.next(next_after(evidence, run))
