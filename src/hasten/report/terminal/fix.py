"""Remedies on the terminal: each with what its paired trainings showed, and the change to make."""

from rich.console import Group, RenderableType
from rich.text import Text

from hasten.base.records.fix import Fix, Outcome, Tried
from hasten.report.terminal.layout import grid, indented, quiet
from hasten.report.tried import tried_words
from hasten.report.wording import joined

_STYLES = {Outcome.CURES: "green", Outcome.HELPS: "yellow", Outcome.NO_HELP: "dim", Outcome.NOT_TRIED: "dim"}


def tried_view(tried: Tried) -> RenderableType:
    """Return one line on a remedy."""
    return indented(
        grid(
            [
                (
                    Text(tried.symptom, style="dim"),
                    Text(f"{tried.outcome.value:<9}", style=_STYLES[tried.outcome]),
                    Text(tried_words(tried)),
                )
            ]
        )
    )


def fix_view(fix: Fix) -> RenderableType:
    """Return what to write for each cure, what nothing cured, and what could not be tried."""
    cures = [one for one in fix.tried if one.outcome is Outcome.CURES]
    parts: list[RenderableType] = [Text(one.diff or f"write: {one.line}") for one in cures]
    treated = {one.symptom for one in fix.tried if one.outcome is not Outcome.NOT_TRIED}
    if left := sorted(treated - {one.symptom for one in cures}):
        parts.append(Text(f"no remedy that was tried cures {joined(left)}"))
    if fix.not_tried:
        parts.append(quiet(f"not tried, since the code must change: {joined(list(fix.not_tried))}"))
    if fix.tried:
        parts.append(quiet(f"judged by {fix.judged_by}, {fix.steps} steps each"))
    return indented(Group(*parts))
