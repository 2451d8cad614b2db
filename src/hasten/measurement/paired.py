"""Which of two ways to train is faster: paired, interleaved timing that stops when the answer is certain."""

import gc
import math
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np

from hasten.base.errors import BadInput
from hasten.base.records.comparison import Comparison, NoiseFloor, Verdict
from hasten.base.records.record import Interval
from hasten.measurement.collector import collector_off
from hasten.measurement.confidence_sequence import FEWEST_READINGS, ConfidenceSequence
from hasten.measurement.statistics import ratio_interval, robust_sigma, trimmed_mean

Block = Callable[[int], None]
"""Runs that many training steps of one side and returns when the device has finished them.

A block that is a context manager too is entered around its untimed step and its timed ones, so that what it switches on
stays on between them: memory that is kept from step to step, for one.
"""

Clock = Callable[[], int]
"""Returns nanoseconds since some moment; never runs backwards."""

Bounds = tuple[float, float]

Work = tuple[float, float]
"""Samples that a step of a, and one of b, advances the training by."""

LEAST_BLOCK_S = 0.05
LEAST_STEPS = 3
LEAST_DELTA = 0.01
_HALF_WIDTH = 1.96 * 1.25
"""Of a 95 % interval of the median, in standard errors of a normal mean. A wild pair does not widen it, as it does not
weigh in the comparisons either."""
_MOST_STEPS = 10**7
_NOISE_PAIRS = (FEWEST_READINGS, 30)  # at least, at most


def compare(
    a: Block,
    b: Block,
    *,
    budget_s: float,
    delta: float = LEAST_DELTA,
    samples_per_step: Work = (1.0, 1.0),
    seed: int = 0,
    clock: Clock = time.perf_counter_ns,
) -> Comparison:
    """Return how many times faster b is than a, each in its time per sample.

    Blocks of a and b run in pairs, each pair in an order drawn by a fair coin, so that drift and what the first leaves
    behind for the second hit both alike. A pair gives d = ln(t_a / t_b), with the times of a sample. After each pair
    the confidence sequence of d is looked at, and the comparison stops when the verdict is certain or the next pair
    would pass the budget. With probability 95 % the interval holds the median ratio whenever that is: a against itself
    is called faster or slower in at most 5 % of comparisons. No pair is discarded, for a choice made after seeing the
    times can favor a side.

    Args:
        a: the baseline.
        b: the candidate. An error that a block raises is passed on.
        budget_s: seconds for the pairs; warm-up (compilation included) comes on top. At least one pair is always run.
        delta: effects smaller than this share count as no difference; take it from `noise_floor`.
        samples_per_step: of a and b, where they differ: a step that takes longer but does more may be the faster one.
        seed: of the order within pairs; the global generators are not used.
        clock: what the time is read from.

    Raises:
        BadInput: if `delta`, `budget_s` or a number of samples is not positive, or a block takes no time.
    """
    work_a, work_b = samples_per_step
    _require_positive(budget_s=budget_s, delta=delta, samples_per_step=min(samples_per_step))
    steps, warmup_s = _warmed_up(a, b, clock)
    margin, more = math.log1p(delta), math.log(work_b / work_a)
    sequence, found = ConfidenceSequence(), _Pairs(clock)
    verdict = Verdict.UNCLEAR
    for t_a, t_b in timed_pairs(a, b, steps=steps, seed=seed, clock=clock):
        found.add(t_a, t_b, more)
        sequence.add(found.log_ratios[-1])
        verdict = _verdict(sequence.bounds(), margin)
        if verdict is not Verdict.UNCLEAR or found.after_next_s() > budget_s:
            break
    low, high = sequence.bounds()
    return Comparison(
        ratio=Interval(
            value=math.exp(np.median(found.log_ratios)), low=math.exp(low), high=math.exp(high), n=len(found.times)
        ),
        verdict=verdict,
        delta=delta,
        pairs=len(found.times),
        steps_per_block=steps,
        step_time_a_s=trimmed_mean([t_a for t_a, _ in found.times]) / steps,
        step_time_b_s=trimmed_mean([t_b for _, t_b in found.times]) / steps,
        samples_per_step_a=work_a,
        samples_per_step_b=work_b,
        warmup_s=warmup_s,
        spent_s=warmup_s + found.spent_s(),
    )


def noise_floor(
    a: Block, a2: Block, *, budget_s: float, seed: int = 0, clock: Clock = time.perf_counter_ns
) -> NoiseFloor:
    """Return how small an effect can be detected here, by timing the same code against itself.

    Runs at least 8 and at most 30 pairs, fewer than 30 where the budget ends first. If a difference is found where
    there is none (the confidence sequence excludes a ratio of 1), the machine is unstable and nothing should be judged
    on it.

    Args:
        a: the baseline.
        a2: the same again; best built a second time, so that what differs between two builds is seen.
        budget_s: seconds for the pairs, warm-up excluded.
        seed: of the order within pairs.
        clock: what the time is read from.
    """
    _require_positive(budget_s=budget_s)
    least, most = _NOISE_PAIRS
    steps, warmup_s = _warmed_up(a, a2, clock)
    sequence, found = ConfidenceSequence(), _Pairs(clock)
    for t_a, t_a2 in timed_pairs(a, a2, steps=steps, seed=seed, clock=clock):
        found.add(t_a, t_a2)
        sequence.add(found.log_ratios[-1])
        if len(found.times) >= most or (len(found.times) >= least and found.after_next_s() > budget_s):
            break
    ratio, sigma = ratio_interval(found.log_ratios), robust_sigma(found.log_ratios)
    low, high = sequence.bounds()
    stable = low <= 0 <= high
    return NoiseFloor(
        ratio=ratio,
        sigma=sigma,
        drift=_drift([t_a * t_a2 for t_a, t_a2 in found.times]),
        delta=max(LEAST_DELTA, math.expm1(_HALF_WIDTH * sigma / math.sqrt(len(found.log_ratios)))),
        stable=stable,
        remark="" if stable else f"the same code timed against itself differs by a factor of {ratio}",
        pairs=len(found.times),
        steps_per_block=steps,
        spent_s=warmup_s + found.spent_s(),
    )


class _Pairs:
    """The times of the pairs so far, their log-ratios, and the time since the first one began."""

    def __init__(self, clock: Clock) -> None:
        self.times: list[tuple[float, float]] = []
        self.log_ratios: list[float] = []
        self._clock, self._begin = clock, clock()

    def add(self, t_a: float, t_b: float, more: float = 0.0) -> None:
        """Note one pair; `more` is the logarithm of the samples of a step of b over those of a."""
        self.times.append((t_a, t_b))
        self.log_ratios.append(math.log(t_a / t_b) + more)

    def spent_s(self) -> float:
        """Return the seconds since the beginning."""
        return (self._clock() - self._begin) * 1e-9

    def after_next_s(self) -> float:
        """Return what `spent_s` will be after one more pair."""
        return self.spent_s() * (1 + 1 / len(self.times))


def timed_pairs(
    a: Block, b: Block, *, steps: int, seed: int, clock: Clock = time.perf_counter_ns
) -> Generator[tuple[float, float]]:
    """Yield the seconds that a block of a and a block of b took, without end, each pair in an order drawn by a coin.

    Before each block one step runs untimed: it refills what the other side has evicted. Python's garbage collector
    is off during a pair; what a pair left is collected before the next.
    """
    coin = np.random.default_rng(seed)
    while True:
        if gc.isenabled():
            gc.collect(1)
        with collector_off():
            if coin.random() < 0.5:
                t_a = _block_time_s(a, steps, clock)
                t_b = _block_time_s(b, steps, clock)
            else:
                t_b = _block_time_s(b, steps, clock)
                t_a = _block_time_s(a, steps, clock)
        yield t_a, t_b


def _block_time_s(block: Block, steps: int, clock: Clock) -> float:
    side: object = block
    with cast("AbstractContextManager[Any]", side) if isinstance(side, AbstractContextManager) else nullcontext():
        block(1)
        begin = clock()
        block(steps)
        return max(clock() - begin, 1) * 1e-9


def _warmed_up(a: Block, b: Block, clock: Clock) -> tuple[int, float]:
    """Warm both sides up; return how many steps the faster one needs to fill a block, and the seconds it took."""
    begin, steps = clock(), LEAST_STEPS
    for side in (a, b):
        side(LEAST_STEPS)
        while (block_s := _block_time_s(side, steps, clock)) < LEAST_BLOCK_S:
            steps = max(steps + 1, math.ceil(1.05 * steps * LEAST_BLOCK_S / block_s))
            if steps > _MOST_STEPS:
                raise BadInput(
                    f"a block must take time: {steps:.0e} steps would not fill {LEAST_BLOCK_S} s. "
                    "Check that the callable runs the steps it is asked for."
                )
    return steps, (clock() - begin) * 1e-9


def _verdict(bounds: Bounds, margin: float) -> Verdict:
    low, high = bounds
    if low > margin:
        return Verdict.FASTER
    if high < -margin:
        return Verdict.SLOWER
    if low > -margin and high < margin:
        return Verdict.NO_DIFFERENCE
    return Verdict.UNCLEAR


def _drift(products: list[float]) -> float:
    """Return the relative change of the typical block time from the first third of the pairs to the last."""
    third = len(products) // 3
    return math.sqrt(float(np.median(products[-third:]) / np.median(products[:third]))) - 1


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise BadInput(f"{name} must be positive; found {value}.")
