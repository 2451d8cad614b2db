"""`hasten report`: the report of a run, as a page, as text and as data."""

from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.evidence import Reported
from hasten.cli.json_output import write_json
from hasten.cli.run import next_after

EXAMPLES = ("hasten report runs/digits-20260101-120000", "hasten report runs/digits-20260101-120000 --text | less")


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished `hasten run`.")],
    *,
    as_text: Annotated[bool, typer.Option("--text", help="Print the report as Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write the report of a run again, from its evidence: report.html, report.md and report.json."""
    from hasten.report.contents import contents
    from hasten.report.evidence_file import read_evidence
    from hasten.report.files import write_report
    from hasten.report.markdown import text
    from hasten.report.terminal import Screen
    from hasten.report.terminal.output import standard_output
    from hasten.training.run_folder import EVIDENCE, REPORT

    if as_text and as_json:
        raise BadInput("--text and --json are two forms of one report. Pass one of them.")
    if not (run / EVIDENCE).is_file():
        found = f"no such folder: {run}" if not run.is_dir() else f"no {EVIDENCE} in {run}"
        raise BadInput(f"{found}. Pass the folder of a finished `hasten run`.")
    evidence = read_evidence(run / EVIDENCE)
    write_report(evidence, run)
    if as_json:
        write_json(contents(evidence))
    elif as_text:
        standard_output().print(text(contents(evidence)), markup=False, soft_wrap=True, end="")
    else:
        with Screen() as screen:
            screen.show(evidence)
            screen.show(Reported(path=str(run / REPORT)))
            screen.next(next_after(evidence, run))
