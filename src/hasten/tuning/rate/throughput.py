"""Samples a second at several batch sizes, measured in turn on one model; which sizes fit is found by trying."""

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import numpy as np

from hasten.base.errors import BadInput
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.data.batch import Batch
from hasten.measurement.memory import peak_memory
from hasten.measurement.statistics import ratio_interval
from hasten.profiling.best_effort import out_of_memory
from hasten.profiling.memory import available_bytes
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import with_batch_size
from hasten.training.session import Session
from hasten.training.step import step
from hasten.tuning.budget import check_time, now_s
from hasten.tuning.rate.start import set_rates

SMALLEST, LARGEST = -3, 8
"""Powers of two of the own size between which sizes are tried."""
FILL = 0.9
"""Of the free memory: what a step may be predicted to need."""
ROUNDS = 7
BLOCK_S, FEWEST = 0.05, 2
"""A timed block: at least so many seconds and so many steps."""
FLAT = 1.05
"""Gain of a doubling below which it counts as none; after two of these no larger size is tried."""


@dataclass
class Size:
    """One batch size: a session that reads it, and the speeds that were measured; none where it does not fit."""

    size: int
    run: Session
    samples_per_s: list[float] = field(default_factory=list[float])

    @property
    def speed(self) -> Interval:
        """Samples a second with their interval."""
        return ratio_interval(np.log(self.samples_per_s))

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return self.size / self.speed.value


def sizes_that_fit(run: Session, machine: Machine, *, longest_step_s: float) -> tuple[list[Size], list[int]]:
    """Return the sizes to measure, rising, and those that do not fit, the smallest first.

    Each is tried by one step. On the CPU, where the system ends a process that takes too much, a size is not tried if
    the last two predict that it does not fit.

    Args:
        run: whose optimizer has made a step; its weights stay, since all rates are 0.
        machine: whose memory it is.
        longest_step_s: larger sizes than the first whose step takes longer are not tried.
    """
    own, samples = run.recipe.input.batch_size, run.samples
    wanted = [max(1, round(own * 2.0**power)) for power in range(SMALLEST, LARGEST + 1)]
    wanted = sorted({size for size in wanted if samples is None or size <= samples} | {own})
    found, peaks, speeds = list[Size](), list[int](), list[float]()
    for size in wanted:
        one = Size(size, with_batch_size(run, size))
        if _predicted(found, peaks, size) > FILL * available_bytes(run, machine):
            return found, [size]
        try:
            peaks.append(_peak_bytes(one.run))
            step_s = _block(one.run, 1)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            run.optimizer.zero_grad()
            run.recipe.device.empty_cache()
            return found, [size]
        found.append(one)
        speeds.append(size / step_s)
        flat = len(speeds) > 2 and speeds[-1] < FLAT * speeds[-2] and speeds[-2] < FLAT * speeds[-3]
        if size >= own and (step_s > longest_step_s or flat):
            break
    return found, []


def measure(sizes: Sequence[Size], *, seed: int) -> None:
    """Time blocks of each size in turn, in another random order each round, without loss of what is in the caches."""
    draws = np.random.default_rng(seed)
    with ExitStack() as stack:
        batches = {one.size: stack.enter_context(closing(batches_in_turn(one.run))) for one in sizes}
        steps = {one.size: FEWEST for one in sizes}
        for turn in range(1 + ROUNDS):
            for place in draws.permutation(len(sizes)):
                one = sizes[place]
                gc.collect(1)
                took_s, samples = _timed(one.run, batches[one.size], steps[one.size])
                if turn == 0:  # warm-up, from which the length of a block follows
                    steps[one.size] = max(FEWEST, math.ceil(BLOCK_S * steps[one.size] / took_s))
                else:
                    one.samples_per_s.append(samples / took_s)


def _timed(run: Session, batches: Iterator[Batch], steps: int) -> tuple[float, int]:
    before, begin = run.position.samples_used, now_s()
    with run.contexts:
        for _ in range(steps):
            check_time()
            batch = next(batches)
            set_rates(run, 0.0, 0.0)
            step(run, batch)
    run.recipe.device.synchronize()
    return now_s() - begin, max(1, run.position.samples_used - before)


def _block(run: Session, steps: int) -> float:
    """Return the seconds of a step from a fresh place in the data."""
    with closing(batches_in_turn(run)) as batches:
        _timed(run, batches, 1)
        return _timed(run, batches, steps)[0] / steps


def _peak_bytes(run: Session) -> int:
    with closing(batches_in_turn(run)) as batches:
        batch = next(batches)
        set_rates(run, 0.0, 0.0)
        try:
            with run.contexts:
                return peak_memory(lambda: step(run, batch), device=run.recipe.parallel.device).peak_bytes
        except BadInput:  # compiled code cannot be watched on the CPU
            return 0


def _predicted(found: Sequence[Size], peaks: Sequence[int], size: int) -> float:
    """Return the bytes by which the memory of a step exceeds that of the last one tried, from a straight line."""
    if len(found) < 2:
        return 0.0
    per_sample = (peaks[-1] - peaks[-2]) / (found[-1].size - found[-2].size)
    return max(0.0, peaks[-1] + per_sample * (size - found[-1].size))
