"""The last measurement: the whole plan against the baseline, afresh, since a winner was picked for its luck too."""

import math
from collections.abc import Iterator, Sequence

from msgspec import structs

from hasten.base.records.record import Interval
from hasten.base.seeds import derive
from hasten.machine.set_threads import threads_set
from hasten.measurement.paired import timed_pairs
from hasten.measurement.statistics import ratio_interval, ratio_of_known_noise
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

MANY = 10
"""Pairs that show their own noise; fewer are judged by that of the blocks before, too."""
FEWEST_AT_THE_END = 3
"""Pairs that are enough where the end of the budget comes between them."""
NOISE_COUNT = 4.0
"""Degrees of freedom that it counts for: the noise may have changed since."""


def confirmed(lab: Laboratory, plan: Plan, *, share: float) -> Interval:
    """Return how many times faster the plan goes through the training data, on another seed and newly built.

    As many pairs are timed as that share of the budget still holds, at least 5 and at most 40, whatever they show; 10
    where earlier tunings have found the plan. None of them was used to choose it.

    Raises:
        OutOfTime: if the end of the budget comes before the third pair.
    """
    seed = derive(lab.recipe.task.seed, "confirmation") % 10_000
    logs = list[float]()
    try:
        with threads_set(lab.free.threads), ends_by(lab.budget.hard_stop_s):
            logs.extend(_timed(lab, plan, share=share, seed=seed))
    except OutOfTime:
        if len(logs) < FEWEST_AT_THE_END:
            raise
    return ratio_of_pairs(logs, lab.noise)


def ratio_of_pairs(logs: Sequence[float], noise: float | None) -> Interval:
    """Return the ratio that pairs show, whose logarithms these are.

    Args:
        logs: of each pair.
        noise: standard deviation of the logarithm of a block's time, as blocks before have shown it; None if unknown.
    """
    if len(logs) >= MANY or noise is None:
        return ratio_interval(logs)
    return ratio_of_known_noise(logs, sigma=math.sqrt(2) * noise, count=NOISE_COUNT)


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


def _timed(lab: Laboratory, plan: Plan, *, share: float, seed: int) -> Iterator[float]:
    """Yield the logarithm of what the plan gains in each pair."""
    plain, planned = Bench(lab.recipe, seed=seed), Bench(recipe_with(lab, plan), seed=seed)
    steps = steps_per_block(min(plain.step_s, planned.step_s))
    more = math.log(planned.samples_per_step / plain.samples_per_step)
    fewest, most = (MANY, MANY) if lab.earlier_s else (FEWEST_CONFIRMED, MOST_CONFIRMED)
    began = now_s()
    pairs = timed_pairs(plain, planned, steps=steps, seed=seed, clock=clock_of(lab.free.threads))
    for count, (plain_s, planned_s) in enumerate(pairs, start=1):
        yield math.log(plain_s / planned_s) + more
        pair_s = (now_s() - began) / count
        if count >= fewest and (count >= most or lab.budget.left_s(share) < pair_s):
            break
