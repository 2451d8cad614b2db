"""A diagnosis on the terminal: what is wrong with the step, with the most to gain first."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.finding import Diagnosis, Finding, Severity
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import joined, plural, times

STYLES = {Severity.NOTE: "blue", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}


def diagnosis_view(diagnosis: Diagnosis) -> RenderableType:
    """Return the verdict, every finding with what it could gain and what to try, and how many rules had no say."""
    content: list[RenderableType] = [Text(f"→ {diagnosis.verdict}", style="bold")]
    if diagnosis.findings:
        content.append(grid([_row(finding) for finding in diagnosis.findings]))
    looked = f"{plural(len(diagnosis.silent), 'other symptom')} looked for and not there"
    lacked = f"; {plural(len(diagnosis.abstained), 'rule')} could not judge" if diagnosis.abstained else ""
    return section("Diagnosis", *content, quiet(f"{looked}{lacked}"))


def _row(finding: Finding) -> tuple[Text, Text]:
    text = Text(finding.sentence)
    if finding.bound is not None:
        text.append(f" At most {times(finding.bound)} as fast without it ({finding.bound_from}).", style="dim")
    if finding.techniques:
        text.append(f" Try {joined(finding.techniques)}.")
    if finding.advice:
        text.append(f" {finding.advice}")
    return Text(finding.symptom, style=STYLES[finding.severity]), text
