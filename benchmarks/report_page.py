"""Pictures of the report of a run, as a person sees it.

    hasten run digits
    python -m benchmarks.report_page runs/digits-20260101-120000 benchmarks/results/screens

writes report.png (a wide screen), report_phone.png (a narrow one), and the begin of the page in the
dark (report_dark.png) and on paper (report_print.png).
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.screens import screen
from hasten.report.contents import contents
from hasten.report.evidence_file import read_evidence
from hasten.report.html import page
from hasten.training.run_folder import EVIDENCE

_PRINTED = {"@media screen": "@media speech", "@media print": "@media all"}
"""A browser takes pictures of screens only: on this page the rules for paper hold on the screen."""
_BEGIN = 2600
"""Pixels of the pictures that show only the begin of the page."""


def main(run: Path, folder: Path) -> None:
    """Write the pictures of a run's report."""
    evidence = read_evidence(run / EVIDENCE)
    html = page(contents(evidence), evidence.profile)
    with tempfile.TemporaryDirectory() as room:
        address, paper = Path(room) / "report.html", Path(room) / "paper.html"
        address.write_text(html)
        printed = html
        for rule, other in _PRINTED.items():
            printed = printed.replace(rule, other)
        paper.write_text(printed)
        screen(address, folder / "report.png", width=1000, dark=False)
        screen(address, folder / "report_dark.png", width=1000, dark=True, tall=_BEGIN)
        screen(address, folder / "report_phone.png", width=390, dark=False)
        screen(paper, folder / "report_print.png", width=720, dark=False, tall=_BEGIN)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
