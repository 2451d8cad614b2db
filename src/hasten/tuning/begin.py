"""The start of a tuning: the baseline, how long its step takes, and on how many threads."""

import math
import statistics
from collections.abc import Sequence

from hasten.base.units import percent, plural, seconds
from hasten.machine.set_threads import threads_set
from hasten.tuning.break_even import BEST_SAVING, planned_s
from hasten.tuning.budget import OutOfTime, ends_by, now_s
from hasten.tuning.busy import free_threads
from hasten.tuning.context import Laboratory, bench_of, confirmation_s, pair_s
from hasten.tuning.search.factors import NONE
from hasten.tuning.search.model import smallest_gain
from hasten.tuning.search.smallest import LEAST_GAIN
from hasten.tuning.timing import Timing

FEWEST_PAIRS = 4
"""Pairs of blocks before anything can be certain."""
NOISE_BLOCKS = 6
NOISE_SHARE = 0.03
"""Of the budget, for these blocks at most, but for three."""


def why_not_begun(lab: Laboratory) -> str | None:
    """Build the baseline and see how long its step takes and on how many threads; return why nothing can be tried."""
    try:
        with ends_by(lab.budget.hard_stop_s):
            with threads_set(1 if lab.recipe.device.is_host else None):  # quick on a busy machine, too
                began = now_s()
                bench = bench_of(lab, ())
                lab.build_s = now_s() - began
            lab.free = free_threads(bench)
            lab.step_s = bench.step_s
    except OutOfTime:
        return "The budget is too short for one comparison."
    needed_s = FEWEST_PAIRS * pair_s(lab) + confirmation_s(lab, ())
    if not lab.budget.holds(needed_s):
        return f"The budget is too short for one comparison, which takes {seconds(needed_s)}."
    return None


def baseline_blocks(lab: Laboratory, timing: Timing) -> list[float]:
    """Time a few blocks of the baseline, which show the noise, and return the logarithms of their times.

    They also tell how long its step takes: the first steps after it was built take longer.
    """
    logs, steps_s, ends_s = list[float](), list[float](), now_s() + NOISE_SHARE * lab.budget.total_s
    while len(logs) < NOISE_BLOCKS and (len(logs) < 3 or now_s() < ends_s):
        logs.append(timing.block(NONE))
        steps_s.append(bench_of(lab, ()).step_s)
    lab.step_s = statistics.median(steps_s)
    return logs


def told_before(lab: Laboratory, timing: Timing, factors: int, noise: float) -> Sequence[str]:
    """Return what the budget can decide, before it is spent.

    Args:
        lab: where the baseline is built.
        timing: where blocks are timed.
        factors: how many techniques are to be tried.
        noise: standard deviation of the logarithm of a block's time.
    """
    left_s = timing.left_s() - timing.closing_s(NONE) - 2 * timing.setup_s(NONE) * math.sqrt(factors)
    blocks = int(left_s / timing.block_s(NONE))
    said = [f"tuning ends within {seconds(lab.budget.total_s)}"]
    if blocks >= 2 * FEWEST_PAIRS:
        gain = percent(math.expm1(LEAST_GAIN + smallest_gain(noise, blocks)))
        said[0] += (
            f": about {blocks} blocks of {seconds(timing.block_s(NONE))} that vary by {percent(noise)}, which can show "
            f"that a technique gains {gain} or more ({plural(factors, 'technique')} to try)"
        )
    whole_s = planned_s(lab.recipe, lab.step_s)
    if lab.budget.total_s > BEST_SAVING * whole_s:
        said.append(
            f"one training takes only {seconds(whole_s)}: the time for tuning comes back over several trainings"
        )
    return said
