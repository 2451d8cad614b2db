"""The last measurement: the whole plan against the baseline, afresh, since a winner was picked for its luck too."""

import math
from collections.abc import Iterator, Sequence

from msgspec import structs
from scipy.special import stdtrit

from hasten.base.records.record import Interval
from hasten.base.seeds import derive
from hasten.machine.set_threads import threads_set
from hasten.measurement.paired import timed_pairs
from hasten.measurement.statistics import product_of_ratios, ratio_interval, ratio_of_known_noise
from hasten.tuning.bench import Bench
from hasten.tuning.budget import OutOfTime, ends_by, now_s
from hasten.tuning.busy import clock_of
from hasten.tuning.context import (
    FEWEST_CONFIRMED,
    MOST_CONFIRMED,
    Laboratory,
    Plan,
    recipe_with,
    steps_per_block,
)
from hasten.tuning.search.drift import drift
from hasten.tuning.search.factors import NONE
from hasten.tuning.search.model import Model, Readings, difference

Pair = tuple[float, float]
"""Logarithms of the seconds that a sample takes, but for a constant, with the baseline and with the plan."""

MANY = 10
"""Pairs that show their own noise; fewer are judged by that of the blocks before, too."""
FEWEST_AT_THE_END = 3
"""Pairs that are enough where the end of the budget comes between them."""
NOISE_COUNT = 4.0
"""Degrees of freedom that it counts for: the noise may have changed since."""
PAIRS_OF_A_GROUP = 2
PLAN = frozenset({0})
TIMES = 4.0
"""Degrees of freedom of the drift: within half a minute a machine is fast and slow a few times."""


def confirmed(lab: Laboratory, plan: Plan, *, share: float) -> Interval:
    """Return how many times faster the plan goes through the training data, on another seed and newly built.

    As many pairs are timed as that share of the budget still holds, at least 5 and at most 40, whatever they show; 10
    where earlier tunings have found the plan. None of them was used to choose it. How far the gain drifts is known from
    the search before, and where there was none, from the pairs themselves, which see little of it.

    Raises:
        OutOfTime: if the end of the budget comes before the third pair.
    """
    seed = derive(lab.recipe.task.seed, "confirmation") % 10_000
    pairs = list[Pair]()
    try:
        with threads_set(lab.free.threads), ends_by(lab.budget.hard_stop_s):
            pairs.extend(_timed(lab, plan, share=share, seed=seed))
    except OutOfTime:
        if len(pairs) < FEWEST_AT_THE_END:
            raise
    changes = noise_and_drift(pairs)[1] if lab.drift is None else lab.drift
    return ratio_of_pairs([plain - planned for plain, planned in pairs], lab.noise, changes=changes)


def noise_and_drift(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return the standard deviations of the logarithm of a block's time, and over time of what the plan gains."""
    model, readings = Model(1, [NONE]), Readings()
    for number, (plain, planned) in enumerate(pairs):
        readings.add(NONE, number // PAIRS_OF_A_GROUP, plain)
        readings.add(PLAN, number // PAIRS_OF_A_GROUP, planned)
    fit = model.fit(readings)
    return fit.noise, drift(model, fit, readings, difference(model, PLAN))


def ratio_of_pairs(logs: Sequence[float], noise: float | None, *, changes: float = 0.0) -> Interval:
    """Return the ratio that pairs show, whose logarithms these are, with an interval that holds at other times, too.

    Args:
        logs: of each pair.
        noise: standard deviation of the logarithm of a block's time, as blocks before have shown it; None if unknown.
        changes: standard deviation over time of the logarithm of the ratio, as blocks before have shown it.
    """
    if len(logs) >= MANY or noise is None:
        now = ratio_interval(logs)
    else:
        now = ratio_of_known_noise(logs, sigma=math.sqrt(2) * noise, count=NOISE_COUNT)
    later = math.exp(float(stdtrit(TIMES, (1 + now.level) / 2)) * changes)
    return product_of_ratios(now, Interval(value=1.0, low=1 / later, high=later, n=now.n))


def no_luckier(measured: Interval, expected: Interval | None) -> Interval:
    """Return what is said of a plan: what was measured afresh, or less where all blocks before have shown less.

    A plan is chosen for its luck too, so afresh it should show less than the search expected. Where all of its interval
    lies above what was expected, something slowed the baseline down for as long as the pairs took, as a burst of other
    work on one of two cores does: then the value is what was expected, and the interval reaches from that to what was
    measured.
    """
    if expected is None or measured.low <= expected.high:
        return measured
    return structs.replace(measured, value=expected.value, low=expected.low)


def _timed(lab: Laboratory, plan: Plan, *, share: float, seed: int) -> Iterator[Pair]:
    """Yield the pairs."""
    plain, planned = Bench(lab.recipe, seed=seed), Bench(recipe_with(lab, plan), seed=seed)
    steps = steps_per_block(min(plain.step_s, planned.step_s))
    fewest, most = (MANY, MANY) if lab.earlier_s else (FEWEST_CONFIRMED, MOST_CONFIRMED)
    began = now_s()
    pairs = timed_pairs(plain, planned, steps=steps, seed=seed, clock=clock_of(lab.free.threads))
    for count, (plain_s, planned_s) in enumerate(pairs, start=1):
        yield math.log(plain_s / plain.samples_per_step), math.log(planned_s / planned.samples_per_step)
        pair_s = (now_s() - began) / count
        if count >= fewest and (count >= most or lab.budget.left_s(share) < pair_s):
            break
