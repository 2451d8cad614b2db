"""From the baseline to the plan: what each technique adds to the rest, and what their interaction leaves over."""

from collections.abc import Sequence
from functools import reduce

from hasten.base.records.record import Interval, Record
from hasten.base.records.trial import Tuning
from hasten.measurement.statistics import product_of_ratios
from hasten.report.wording import joined, ratio, times

LEFT_OVER, WHOLE = "left over", "whole plan"
_SMALLEST = 1e-3
"""A factor that is smaller, or larger than its inverse, is no measurement of a step."""


class Gain(Record, frozen=True):
    """One bar: it multiplies the speed, from `start` to `end` times that of the baseline.

    Bars multiply up to the whole plan, which starts from 1. `ratio` is the factor of this bar.
    """

    name: str
    kind: str  # "kept", "left-over" or "plan"
    start: float
    end: float
    ratio: Interval
    words: str


def gains(tuning: Tuning) -> tuple[Gain, ...]:
    """Return the techniques in the plan's order, what is left over, and the whole; nothing where one was not measured.

    A technique's gain is the plan with it over the plan without it. The gains multiply to the whole plan only where
    techniques do not interact, so the rest is a bar of its own; its interval adds the errors of all the others, as if
    they were independent.
    """
    whole = tuning.speedup
    members = [(choice.label, choice.gain) for choice in tuning.plan.choices if choice.gain is not None]
    if whole is None or not members or not all(_usable(one) for one in (whole, *(gain for _, gain in members))):
        return ()
    found, speed = list[Gain](), 1.0
    for name, gain in members:
        found.append(_gain(name, "kept", speed, gain))
        speed *= gain.value
    rest = product_of_ratios(whole, _inverse(reduce(product_of_ratios, (gain for _, gain in members))))
    found.append(_gain(LEFT_OVER, "left-over", speed, rest))
    return (*found, _gain(WHOLE, "plan", 1.0, whole))


def left_over_sentence(found: Sequence[Gain]) -> str:
    """Return what the bar that is left over means, in a sentence; nothing without one."""
    rest = next((one.ratio for one in found if one.kind == "left-over"), None)
    if rest is None:
        return ""
    names = joined([one.name for one in found if one.kind == "kept"])
    if rest.low <= 1 <= rest.high:
        return f"Left over: {times(rest.value)}, which is no clear difference from 1."
    if rest.value < 1:
        return f"Left over: {times(rest.value)}. Together they gain less than their product: {names} overlap."
    return f"Left over: {times(rest.value)}. The whole gains more than what each of {names} adds to the others."


def _gain(name: str, kind: str, start: float, factor: Interval) -> Gain:
    return Gain(name=name, kind=kind, start=start, end=start * factor.value, ratio=factor, words=ratio(factor, "pair"))


def _inverse(one: Interval) -> Interval:
    return Interval(value=1 / one.value, low=1 / one.high, high=1 / one.low, n=one.n, level=one.level)


def _usable(one: Interval) -> bool:
    return _SMALLEST < one.low <= one.value <= one.high < 1 / _SMALLEST
