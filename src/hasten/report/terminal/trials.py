"""Techniques on the terminal: each trial as it ends, and what tuning came to."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.units import percent, seconds
from hasten.report.terminal.layout import indented, quiet
from hasten.report.trials import beside, finding, not_allowed
from hasten.report.wording import as_fast, joined, knobs, ratio

STYLES = {
    Verdict.KEPT: "green",
    Verdict.NO_DIFFERENCE: "dim",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.SLOWER: "red",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.INACCURATE: "red",
    Verdict.FAILED: "red",
    Verdict.NOT_ALLOWED: "dim",
}
_NAME_WIDTH = 20
_VERDICT_WIDTH = max(len(verdict.value) for verdict in Verdict)


def trial_view(trial: Trial) -> RenderableType:
    """Return one trial: name, verdict, ratio with interval and n, and the reason."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=_NAME_WIDTH, overflow="fold")
    table.add_column(min_width=_VERDICT_WIDTH, max_width=_VERDICT_WIDTH)
    table.add_column(overflow="fold")
    style = STYLES[trial.verdict]
    table.add_row(Text(trial.technique), Text(trial.verdict.value, style=style), _finding(trial))
    return indented(table)


def tuning_view(tuning: Tuning) -> RenderableType:
    """Return what tuning came to: the plan, its speed-up, the noise it stands in, and what it cost."""
    speedup = f", {as_fast(tuning.speedup, 'pair')}" if tuning.speedup is not None else ""
    lines: list[RenderableType] = [
        Text(f"→ plan: {joined(tuning.plan.names, none='the plain training')}{speedup}", style="bold")
    ]
    noise = f"; the baseline against itself: {ratio(tuning.noise, 'pair')}" if tuning.noise is not None else ""
    lines.append(
        quiet(
            f"tuning took {seconds(tuning.spent_s)} of {seconds(tuning.budget_s)}; "
            f"below {percent(tuning.smallest_difference)} counts as no difference{noise}"
        )
    )
    lines += [quiet(sentence) for sentence in not_allowed(tuning.trials)]
    if tuning.remark:
        lines.append(Text(f"! {tuning.remark}", style="yellow"))
    return Group(*map(indented, lines))


def _finding(trial: Trial) -> Text:
    text = Text()
    for words, style in (
        (finding(trial), ""),
        (beside(trial), "dim"),
        (knobs(trial.knobs), "dim"),
        (f"set up in {seconds(trial.setup_s)}" if trial.setup_s >= 1 else "", "dim"),
    ):
        if words:
            text.append("; " if text.plain else "", style="dim").append(words, style=style)
    return text
