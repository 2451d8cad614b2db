"""The verdict on the terminal: one sentence, and the table of baseline and plan."""

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from hasten.base.records.comparison import Comparison
from hasten.base.records.evidence import Evidence
from hasten.base.units import seconds
from hasten.report.numbers import Number, three_numbers
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.verdict import Tone, judge
from hasten.report.wording import ratio

STYLES = {Tone.BETTER: "green", Tone.SAME: "blue", Tone.WORSE: "red", Tone.UNKNOWN: "yellow"}


def verdict_view(evidence: Evidence) -> RenderableType:
    """Return the sentence in a frame, the three numbers of both sides, and the conditions."""
    judgment = judge(evidence)
    style = STYLES[judgment.tone]
    content: list[RenderableType] = [
        Panel(Text(judgment.sentence, style=f"bold {style}"), border_style=style, expand=False)
    ]
    rows = [_row(number) for number in three_numbers(evidence)]
    if rows:
        head = (quiet(""), quiet("baseline"), Text("plan" if evidence.plan.choices else "", style="bold"), Text(""))
        content.append(grid([head, *rows]))
    content += [quiet(detail) for detail in judgment.details]
    content.append(quiet(f"Tuning took {seconds(evidence.tuning.spent_s)}, not included."))
    content += [Text(f"! {remark}", style="yellow") for remark in evidence.remarks]
    return section("Baseline against plan", *content)


def _row(number: Number) -> tuple[RenderableType, ...]:
    if not number.plan:
        return quiet(number.name), Text(number.baseline), Text(""), quiet(number.interval)
    interval = f"; {number.interval}" if number.interval else ""
    compared = Text.assemble((number.words, "bold"), (interval, "dim"))
    return quiet(number.name), Text(number.baseline), Text(number.plan), compared


def comparison_view(comparison: Comparison) -> RenderableType:
    """Return a paired timing of two sides."""
    return section("Comparison", Text(f"{comparison.verdict.value}: {ratio(comparison.ratio, 'pair')}"))
