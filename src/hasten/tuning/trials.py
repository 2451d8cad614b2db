"""A trial: what is known of one technique, whatever became of it."""

import math
from collections.abc import Callable

import msgspec

from hasten.base.errors import Refused, error_text
from hasten.base.records.comparison import Comparison
from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.trial import Trial, Verdict
from hasten.base.units import percent, plural, seconds
from hasten.measurement.confidence_sequence import FEWEST_READINGS
from hasten.techniques.applying import knobs_of
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.budget import OutOfTime, ends_by, now_s
from hasten.tuning.context import Plan
from hasten.tuning.reference_step import NoReference
from hasten.tuning.search.search import Search
from hasten.tuning.search.smallest import LEAST_GAIN


def blank(one: Technique, verdict: Verdict, reason: str, base: Plan = ()) -> Trial:
    """Return the trial of a technique of which nothing was measured."""
    return Trial(
        technique=one.card.name,
        guarantee=one.card.guarantee,
        verdict=verdict,
        reason=reason,
        knobs=knobs_of(one),
        base=names(base),
    )


def names(plan: Plan) -> tuple[str, ...]:
    """Return the names of the techniques of a plan."""
    return tuple(one.card.name for one in plan)


def told(one: Technique, base: Plan, make: Callable[[], Trial], *, until_s: float) -> Trial:
    """Return the trial that `make` returns, or one with what it raised; with the seconds it took.

    Args:
        one: what is tried.
        base: what both sides have.
        make: does it.
        until_s: the moment at which it is stopped.
    """
    began = now_s()
    try:
        with ends_by(until_s):
            trial = make()
    except (Exception, OutOfTime) as error:  # noqa: BLE001  (techniques come from other packages too)
        trial = failed(one, error, base, spent_s=now_s() - began)
    return msgspec.structs.replace(trial, spent_s=now_s() - began)


def failed(one: Technique, error: Exception | OutOfTime, base: Plan = (), *, spent_s: float) -> Trial:
    """Return the trial of a technique that raised something, or was stopped after so many seconds."""
    if isinstance(error, OutOfTime):
        why = f"budget: stopped after {seconds(spent_s)}, before there was a result"
        return blank(one, Verdict.INCONCLUSIVE, why, base)
    if isinstance(error, Refused):
        return blank(one, Verdict.NOT_APPLICABLE, str(error), base)
    if isinstance(error, NoReference):
        return blank(one, Verdict.INCONCLUSIVE, str(error), base)
    return blank(one, Verdict.FAILED, error_text(error), base)


def judged(one: Technique, base: Plan, found: Comparison) -> Trial:
    """Return the trial that a comparison of `base` with both together amounts to, by its speed alone."""
    if found.pairs < FEWEST_READINGS:
        why = f"not measured: the budget ended after {found.pairs} of at least {FEWEST_READINGS} pairs"
        return blank(one, Verdict.INCONCLUSIVE, why, base)
    verdict, sentence = _by_speed(found)
    trial = blank(one, verdict, sentence(found, names(base)), base)
    return msgspec.structs.replace(trial, speedup=found.ratio)


def _by_speed(found: Comparison) -> tuple[Verdict, Callable[[Comparison, tuple[str, ...]], str]]:
    if found.verdict is Speed.FASTER:
        return Verdict.KEPT, messages.faster
    if found.verdict is Speed.SLOWER:
        return Verdict.SLOWER, messages.slower
    if found.verdict is Speed.NO_DIFFERENCE or found.ratio.high < 1 + found.delta:
        return Verdict.NO_DIFFERENCE, messages.no_difference
    return Verdict.INCONCLUSIVE, messages.unclear


def left_out(search: Search, one: int, shown: str) -> tuple[Verdict, str]:
    """Return what is said of a factor that was timed and is not in the plan.

    Args:
        search: that has ended.
        one: the factor.
        shown: what it gained, in words.
    """
    gain = search.gain(one)
    if gain.high < 0:
        return Verdict.SLOWER, f"{shown}: slower"
    if gain.low > LEAST_GAIN:
        return Verdict.INCONCLUSIVE, f"{shown}: faster, but the budget ended before a plan with it was proven"
    if gain.high < LEAST_GAIN or not search.unclear(one):
        return Verdict.NO_DIFFERENCE, f"{shown}: no gain above {percent(math.expm1(LEAST_GAIN))}"
    return Verdict.INCONCLUSIVE, f"{shown}: inconclusive after {plural(len(search.readings), 'block')}: budget used up"
