"""The verdict on the terminal: one sentence, and the table of baseline and plan."""

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from hasten.base.records.comparison import Comparison
from hasten.base.records.evidence import Evidence
from hasten.base.units import seconds
from hasten.report.summary import summary_rows
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.verdict import Tone, judge
from hasten.report.wording import ratio

STYLES = {Tone.BETTER: "green", Tone.SAME: "blue", Tone.WORSE: "red", Tone.UNKNOWN: "yellow"}


def verdict_view(evidence: Evidence) -> RenderableType:
    """Return the sentence in a frame, its conditions, and the table of both sides."""
    judgment = judge(evidence)
    style = STYLES[judgment.tone]
    content: list[RenderableType] = [
        Panel(Text(judgment.sentence, style=f"bold {style}"), border_style=style, expand=False)
    ]
    rows = [(quiet(row.name), Text(row.baseline), Text(row.plan)) for row in summary_rows(evidence)]
    if rows:
        head = (quiet(""), quiet("baseline"), Text("plan", style="bold"))
        content.append(grid([head, *rows]))
    content += [quiet(detail) for detail in judgment.details]
    content.append(quiet(f"Tuning took {seconds(evidence.tuning.spent_s)}, not included."))
    content += [Text(f"! {remark}", style="yellow") for remark in evidence.remarks]
    return section("Baseline against plan", *content)


def comparison_view(comparison: Comparison) -> RenderableType:
    """Return a paired timing of two sides."""
    return section("Comparison", Text(f"{comparison.verdict.value}: {ratio(comparison.ratio, 'pair')}"))
