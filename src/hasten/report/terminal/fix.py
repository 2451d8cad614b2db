"""Remedies on the terminal: each with what its paired trainings showed, and the change to make."""

from rich.console import Group, RenderableType
from rich.text import Text

from hasten.base.records.fix import Fix, Outcome, Tried
from hasten.report.terminal.layout import grid, indented, quiet
from hasten.report.wording import joined, loss_value

_STYLES = {Outcome.CURES: "green", Outcome.HELPS: "yellow", Outcome.NO_HELP: "dim", Outcome.NOT_TRIED: "dim"}


def tried_view(tried: Tried) -> RenderableType:
    """Return one line on a remedy."""
    return indented(
        grid(
            [
                (
                    Text(tried.symptom, style="dim"),
                    Text(f"{tried.outcome.value:<9}", style=_STYLES[tried.outcome]),
                    Text(_words(tried)),
                )
            ]
        )
    )


def _words(tried: Tried) -> str:
    if tried.outcome is Outcome.NOT_TRIED:
        return f"{tried.what}: {tried.reason}"
    plain, treated = loss_value(tried.plain[-1]), loss_value(tried.treated[-1])
    if tried.outcome is Outcome.NO_HELP:
        return f"{tried.what}: loss {treated} with it, {plain} without"
    ratio = (
        f", {tried.ratio.value:.2g} [{tried.ratio.low:.2g}, {tried.ratio.high:.2g}] of the loss" if tried.ratio else ""
    )
    rest = "; the finding is still there" if tried.outcome is Outcome.HELPS else ""
    return (
        f"{tried.what}: better in {len(tried.treated)} of {len(tried.treated)} pairs (p = {tried.p:.2g}){ratio}{rest}"
    )


def fix_view(fix: Fix) -> RenderableType:
    """Return what to write for each cure, and what could not be tried."""
    cures = [one for one in fix.tried if one.outcome is Outcome.CURES]
    parts: list[RenderableType] = [Text(one.diff or f"write: {one.line}") for one in cures]
    if fix.not_tried:
        parts.append(quiet(f"not tried, since the code must change: {joined(list(fix.not_tried))}"))
    if fix.tried:
        parts.append(quiet(f"judged by {fix.judged_by}, {fix.steps} steps each"))
    return indented(Group(*parts))
