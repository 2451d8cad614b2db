"""A diagnosis on the terminal: what is wrong with the step, with the most to gain first."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.finding import Diagnosis, Finding, Severity
from hasten.report.findings import gain, remedy
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import plural

STYLES = {Severity.NOTE: "blue", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}


def diagnosis_view(diagnosis: Diagnosis) -> RenderableType:
    """Return the verdict, every finding with what it could gain and what to try, and how many rules had no say."""
    content: list[RenderableType] = [Text(f"→ {diagnosis.verdict}", style="bold")]
    if diagnosis.findings:
        content.append(grid([_row(finding) for finding in diagnosis.findings]))
    looked = f"{plural(len(diagnosis.silent), 'other symptom')} looked for and not there"
    lacked = f"; {plural(len(diagnosis.abstained), 'rule')} could not judge" if diagnosis.abstained else ""
    again = sorted({finding.check for finding in diagnosis.findings if finding.check})
    checks = [quiet(f"check again with: {command}") for command in again]
    return section("Diagnosis", *content, quiet(f"{looked}{lacked}"), *checks)


def _row(finding: Finding) -> tuple[Text, Text]:
    text = Text(finding.sentence)
    text.append(gain(finding), style="dim")
    text.append(remedy(finding))
    return Text(finding.symptom, style=STYLES[finding.severity]), text
