"""Techniques on the terminal: each trial as it ends, and the result of the tuning."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hasten.base.records.reproof import Reproof, Standing
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.units import percent, seconds
from hasten.report.terminal.layout import indented, quiet
from hasten.report.trials import beside, finding, need_permission, not_allowed, not_applicable, out_of_budget
from hasten.report.wording import faster, joined, knobs, ratio

STYLES = {
    Verdict.KEPT: "green",
    Verdict.NO_DIFFERENCE: "dim",
    Verdict.NO_EFFECT: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.SLOWER: "red",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.INACCURATE: "red",
    Verdict.FAILED: "red",
    Verdict.NOT_ALLOWED: "dim",
}
_NAME_WIDTH = 22
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


def tuning_view(tuning: Tuning, *, all_trials: bool = False) -> RenderableType:
    """Return the plan with its speed-up, the techniques that were not tried, the noise floor and the time spent.

    Args:
        tuning: the whole.
        all_trials: name the techniques that need `--allow`; else they are counted.
    """
    speedup = f", {faster(tuning.speedup, 'pair')}" if tuning.speedup is not None else ""
    lines: list[RenderableType] = []
    if not all_trials and (folded := len(not_applicable(tuning.trials))):
        lines.append(quiet(f"{folded} not applicable (reasons: --all, or the report of a run)"))
    if not all_trials and (unmeasured := out_of_budget(tuning.trials)):
        names = ", ".join(trial.technique for trial in unmeasured)
        lines.insert(0, Text(f"{len(unmeasured)} inconclusive, without a number of their own: {names}", style="yellow"))
    if all_trials:
        lines += [quiet(sentence) for sentence in not_allowed(tuning.trials)]
    else:
        lines += [
            quiet(f"{len(names)} more with --allow {kind}") for kind, names in need_permission(tuning.trials).items()
        ]
    lines.append(Text(f"→ plan: {joined(tuning.plan.names, none='keeping the baseline')}{speedup}", style="bold"))
    noise = f"; noise floor (baseline against itself) {ratio(tuning.noise, 'pair')}" if tuning.noise is not None else ""
    lines.append(
        quiet(
            f"tuning took {seconds(tuning.spent_s)} of {seconds(tuning.budget_s)}; "
            f"{_threshold(tuning.smallest_difference)}{noise}"
        )
    )
    if tuning.remark:
        lines.append(Text(f"! {tuning.remark}", style="yellow"))
    return Group(*map(indented, lines))


def _threshold(smallest: float) -> str:
    return f"detection threshold {percent(smallest)}" if smallest < 1 else "too few blocks to show any gain"


def reproof_view(found: Reproof) -> RenderableType:
    """Return whether a plan is still faster, by how much, and what has changed since it was proven."""
    style = {Standing.STILL_FASTER: "green", Standing.NO_LONGER: "red", Standing.NOT_PROVEN: "yellow"}[found.standing]
    measured = f": {faster(found.speedup, 'pair')}" if found.speedup is not None else ""
    lines: list[RenderableType] = [
        Text(f"{joined(found.plan, none='no technique')}: {found.standing}{measured}", style=style)
    ]
    if found.changed:
        lines.append(Text(f"! proven {found.changed}", style="yellow"))
    if found.remark:
        lines.append(quiet(found.remark))
    return Group(*map(indented, lines))


def _finding(trial: Trial) -> Text:
    text = Text()
    for words, style in (
        (finding(trial), ""),
        (beside(trial), "dim"),
        (knobs(trial.knobs), "dim"),
        (f"setup {seconds(trial.setup_s)}" if trial.setup_s >= 1 else "", "dim"),
    ):
        if words:
            text.append("; " if text.plain else "", style="dim").append(words, style=style)
    return text
