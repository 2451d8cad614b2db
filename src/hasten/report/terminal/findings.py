"""A diagnosis on the terminal: its findings, the largest possible gain first."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.finding import Diagnosis, Finding, Severity
from hasten.report.findings import gain, remedy
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import plural

STYLES = {Severity.NOTE: "blue", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}


def diagnosis_view(diagnosis: Diagnosis) -> RenderableType:
    """Return the verdict, every finding with its possible gain and what to try, and how many checks were skipped."""
    content: list[RenderableType] = [Text(f"→ {diagnosis.verdict}", style="bold")]
    if diagnosis.findings:
        content.append(grid([_row(finding) for finding in diagnosis.findings]))
    return section("Diagnosis", *content, quiet(other_checks(diagnosis)))


def other_checks(diagnosis: Diagnosis) -> str:
    """Return how many rules found nothing, and how many could not judge."""
    passed = f"{plural(len(diagnosis.silent), 'other check')} passed"
    return f"{passed}; {len(diagnosis.abstained)} skipped (missing signal)" if diagnosis.abstained else passed


def _row(finding: Finding) -> tuple[Text, Text]:
    text = Text(finding.sentence)
    text.append(gain(finding), style="dim")
    text.append(remedy(finding))
    return Text(finding.symptom, style=STYLES[finding.severity]), text
