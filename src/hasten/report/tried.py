"""What the paired trainings of a remedy showed, as text: the same words on the terminal and on the page."""

from hasten.base.records.fix import Outcome, Tried
from hasten.report.wording import loss_value


def tried_words(tried: Tried) -> str:
    """Return the remedy with its outcome in numbers, or why it was not tried."""
    if tried.outcome is Outcome.NOT_TRIED:
        return f"{tried.what}: {tried.reason}"
    plain, treated = loss_value(tried.plain[-1]), loss_value(tried.treated[-1])
    if tried.outcome is Outcome.NO_HELP:
        return f"{tried.what}: not better in pair {len(tried.treated)}, loss {treated} with it, {plain} without"
    ratio = (
        f", {tried.ratio.value:.2g} [{tried.ratio.low:.2g}, {tried.ratio.high:.2g}] of the loss" if tried.ratio else ""
    )
    rest = "; the finding is still there" if tried.outcome is Outcome.HELPS else ""
    return (
        f"{tried.what}: better in {len(tried.treated)} of {len(tried.treated)} pairs (p = {tried.p:.2g}){ratio}{rest}"
    )
