"""The health of a training on the terminal: root causes first, what follows from each folded below it."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.finding import Diagnosis, Finding, Found
from hasten.report.findings import gain
from hasten.report.terminal.findings import STYLES, other_checks
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import joined, whole


def health_view(diagnosis: Diagnosis) -> RenderableType:
    """Return the verdict, then each finding with where it is, what to do and what follows from it."""
    content: list[RenderableType] = [Text(f"→ {diagnosis.verdict}", style="bold")]
    if diagnosis.findings:
        content.append(grid([_row(finding) for finding in diagnosis.findings]))
    return section("Health", *content, quiet(other_checks(diagnosis)))


def found_view(found: Found) -> RenderableType:
    """Return a finding of a training under way: its name, its sentence, and the command that explains it."""
    finding = found.finding
    text = Text(finding.sentence)
    text.append(f"\nstep {whole(found.step)}; hasten explain {finding.id or finding.symptom}", style="dim")
    return grid([(Text(f"{finding.id} {finding.symptom}".strip(), style=STYLES[finding.severity]), text)])


def _row(finding: Finding) -> tuple[Text, Text]:
    text = Text(finding.sentence)
    text.append(f" At {finding.where}." if finding.where else "", style="dim")
    text.append(gain(finding), style="dim")
    if finding.techniques:
        text.append(f" Try {joined(list(finding.techniques))}.")
    if finding.advice:
        text.append(f"\n→ {finding.advice}")
    for sentence in finding.folded:
        text.append(f"\n↳ {sentence}", style="dim")
    return Text(f"{finding.id} {finding.symptom}".strip(), style=STYLES[finding.severity]), text
