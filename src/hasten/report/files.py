"""The report of a run as files: a page, a text, and data, all of the same values."""

from pathlib import Path

from hasten.base.files import write_text
from hasten.base.records.evidence import Evidence
from hasten.base.records.record import save
from hasten.report.contents import contents
from hasten.report.html import page
from hasten.report.markdown import text
from hasten.training.run_folder import REPORT, REPORT_DATA, REPORT_TEXT


def write_report(evidence: Evidence, folder: Path) -> None:
    """Write report.html, report.md and report.json into a folder, each atomically.

    Raises:
        BadInput: if a file cannot be written.
    """
    said = contents(evidence)
    write_text(folder / REPORT, page(said, evidence.profile))
    write_text(folder / REPORT_TEXT, text(said))
    save(said, folder / REPORT_DATA)
