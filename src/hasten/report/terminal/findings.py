"""A diagnosis on the terminal: what is wrong with the step, with the most to gain first."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.finding import Diagnosis, Finding, Severity
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import joined, plural, times

_SHOWN = 4
_WORTH_TELLING = 1.01
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


def remedy(finding: Finding) -> str:
    """Return what to do as a sentence after a space: techniques by name, and what a person can do; or nothing."""
    advice = finding.advice.rstrip(".")
    if finding.techniques:
        return f" Try {joined(_first(finding.techniques))}{': ' if advice else ''}{advice}."
    return f" {advice[0].upper()}{advice[1:]}." if advice else ""


def _first(names: Sequence[str]) -> list[str]:
    """Return the names that come first, and how many more there are."""
    more = len(names) - _SHOWN
    return list(names) if more <= 1 else [*names[:_SHOWN], f"{more} more"]


def _row(finding: Finding) -> tuple[Text, Text]:
    text = Text(finding.sentence)
    if finding.bound is not None and finding.bound >= _WORTH_TELLING:
        text.append(f" At most {times(finding.bound)} as fast without it ({finding.bound_from}).", style="dim")
    text.append(remedy(finding))
    return Text(finding.symptom, style=STYLES[finding.severity]), text
