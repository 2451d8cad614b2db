"""What a step of a training costs one process: two micro-batches, timed in turn and watched."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from time import perf_counter

import numpy as np
import torch

from hasten.base.device import Device
from hasten.base.records.layout import StepMemory, StepTimes
from hasten.data.batch import Batch, nbytes_of
from hasten.data.loading.loaders import whole
from hasten.measurement.tensors import tensors_in
from hasten.profiling.peak_model import Watched, watched_step
from hasten.profiling.stepping import batches_in_turn, one_batch, resized
from hasten.techniques.blocks import repeated_blocks
from hasten.techniques.parallel.layouts import factor_bytes
from hasten.training.building import build, with_batch_size
from hasten.training.marks import BACKWARD, FORWARD, GRADIENT, INPUT, LOSS, UPDATE
from hasten.training.recipe import Recipe, sample_loader
from hasten.training.session import Session
from hasten.training.step import step
from hasten.tuning.budget import check_time
from hasten.tuning.layouts.company import company
from hasten.tuning.rate.start import set_rates
from hasten.tuning.state import untouched

ROUNDS = 5
BLOCK_S = 0.1
"""A timed block is at least so long, and at least two steps."""
_WHOLE_SHARES = 4
"""The larger micro-batch has at most so many times the samples of the smaller one."""


@dataclass
class _Clock:
    """Seconds of the parts of one step, each until the device has done it."""

    device: Device
    parts: dict[int, float] = field(default_factory=dict[int, float])
    _before: float = field(default_factory=perf_counter)

    def mark(self, part: int) -> None:
        self.device.synchronize()
        now = perf_counter()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._before
        self._before = now

    def of(self, *parts: int) -> float:
        return sum(self.parts.get(part, 0.0) for part in parts)


@dataclass(frozen=True)
class Block:
    """Median seconds of a step in a timed block: all of it, its passes, their backward part, and the update."""

    samples: int
    whole_s: float
    spread: float  # standard deviation of the seconds of a step, as a share of their mean
    passes_s: float
    backward_s: float
    update_s: float


def sizes(batch_size: int, devices: int) -> tuple[int, int]:
    """Return the two micro-batches: the share of a device, and the whole batch or four such shares."""
    small = min(max(1, -(-batch_size // devices)), max(1, batch_size // 2))
    return small, max(small + 1, min(batch_size, _WHOLE_SHARES * small))


def measured_times(recipe: Recipe, devices: int, *, threads: int | None, beside: int = 0) -> list[StepTimes]:
    """Return the times of a step, read several times.

    The weights stay as they are: every learning rate is 0.

    Args:
        recipe: the training in one process.
        devices: that share a batch.
        threads: of the process; None for as many as it has.
        beside: copies of the process that make the steps of one device meanwhile, each on one thread; see `company`.
    """
    with untouched(), ExitStack() as stack:
        if threads is not None:
            torch.set_num_threads(threads)
        run = build(_read_by_ids(recipe))
        small, large = (with_batch_size(run, size) for size in sizes(recipe.input.batch_size, devices))
        read = [(one, stack.enter_context(closing(batches_in_turn(one)))) for one in (small, large)]
        steps = [_steps(*one) for one in read]
        stack.enter_context(company(lambda: _block(*read[0], 1), beside))
        found = list[StepTimes]()
        for turn in range(ROUNDS):
            order = (0, 1) if turn % 2 == 0 else (1, 0)
            blocks = {place: _block(*read[place], steps[place]) for place in order}
            found.append(from_blocks(blocks[0], blocks[1]))
        return found


def _read_by_ids(recipe: Recipe) -> Recipe:
    """Return the recipe that can read a part of the data, where every update uses all of them."""
    return recipe.with_input(loader=sample_loader(recipe.task)) if recipe.input.loader is whole else recipe


def from_blocks(small: Block, large: Block) -> StepTimes:
    """Return the line through the times of two micro-batches; neither part of it is negative."""
    first, second = small.whole_s - small.update_s, large.whole_s - large.update_s
    sample_s = max(0.0, (second - first) / (large.samples - small.samples))
    pass_s = first - small.samples * sample_s
    if pass_s < 0:
        pass_s, sample_s = 0.0, second / large.samples
    return StepTimes(
        pass_s=pass_s,
        sample_s=sample_s,
        update_s=(small.update_s + large.update_s) / 2,
        backward_share=large.backward_s / large.passes_s,
        spread=(small.spread + large.spread) / 2,
    )


def _steps(run: Session, batches: Iterator[Batch]) -> int:
    """Warm up, and return how many steps fill a block."""
    return max(2, round(BLOCK_S / _block(run, batches, 2).whole_s))


def _block(run: Session, batches: Iterator[Batch], steps: int) -> Block:
    """Time some steps after one that is not: it finds caches and memory as the other micro-batch has left them."""
    clocks = list[_Clock]()
    with run.contexts:
        for _ in range(1 + steps):
            check_time()
            clocks.append(_Clock(run.recipe.device))
            batch = next(batches)
            set_rates(run, 0.0, 0.0)
            clocks[-1].mark(INPUT)
            step(run, batch, clocks[-1].mark)
    timed = clocks[1:]
    whole_s = [sum(one.parts.values()) for one in timed]
    return Block(
        samples=run.recipe.input.batch_size,
        whole_s=median(whole_s),
        spread=stdev(whole_s) / fmean(whole_s) if len(whole_s) > 1 else 0.0,
        passes_s=median(one.of(FORWARD, LOSS, BACKWARD) for one in timed),
        backward_s=median(one.of(BACKWARD) for one in timed),
        update_s=median(one.of(GRADIENT, UPDATE) for one in timed),
    )


def measured_memory(recipe: Recipe, devices: int) -> StepMemory:
    """Return the memory of a step, from two micro-batches with every tensor watched; the same on any machine.

    The optimizer's state is counted in the optimizer, which has made a step.
    """
    with untouched():
        run = build(recipe)
        return watched_memory(run, one_batch(run), sizes(recipe.input.batch_size, devices))


def watched_memory(run: Session, batch: Batch, micro_batches: Sequence[int]) -> StepMemory:
    """Return the memory of a step of a session, from two micro-batches with every tensor watched.

    Args:
        run: made no step so far; it makes three.
        batch: that the micro-batches are made of.
        micro_batches: their samples, the smaller one first.
    """
    with run.contexts:
        step(run, resized(batch, micro_batches[0]))
        watched = [watched_step(run, resized(batch, size)) for size in micro_batches]
    parameters, state = list(run.model.parameters()), list(tensors_in(list(run.optimizer.state.values())))
    held = nbytes_of([*parameters, *state])
    forward, passes = (
        line(micro_batches, [_peak_until(one, part) - held for one in watched]) for part in (LOSS, BACKWARD)
    )
    gradients = nbytes_of(run.parameters)
    return StepMemory(
        parameter_bytes=nbytes_of(parameters),
        gradient_bytes=gradients,
        state_bytes=nbytes_of(state),
        buffer_bytes=nbytes_of(list(run.model.buffers())),
        forward_bytes=forward[0],
        forward_sample_bytes=forward[1],
        passes_bytes=passes[0],
        passes_sample_bytes=passes[1],
        update_bytes=max(0.0, min(_peak_after(one, BACKWARD) for one in watched) - held - gradients),
        groups=_groups(run),
        factor_bytes=factor_bytes(run.parameters),
    )


def _groups(run: Session) -> tuple[int, ...]:
    """Return the bytes of each repeated block, and of what is in none."""
    blocks = [nbytes_of(list(block.parameters())) for block in repeated_blocks(run.model).values()]
    rest = nbytes_of(list(run.model.parameters())) - sum(blocks)
    return (*blocks, rest) if rest > 0 or not blocks else tuple(blocks)


def _course(watched: Watched) -> np.ndarray:
    return watched.resident_bytes + watched.unwatched_bytes + np.cumsum([0, *watched.changes])


def _peak_until(watched: Watched, part: int) -> float:
    """Return the most bytes that are in use until a part of the step ends for the last time."""
    return float(_course(watched)[: _end(watched, part) + 1].max())


def _peak_after(watched: Watched, part: int) -> float:
    return float(_course(watched)[_end(watched, part) :].max())


def _end(watched: Watched, part: int) -> int:
    return max(end for ended, end in watched.marks if ended == part)


def line(samples: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Return the constant and the slope of bytes over samples, from two micro-batches; neither is negative."""
    slope = max(0.0, (values[1] - values[0]) / (samples[1] - samples[0]))
    return max(0.0, values[0] - slope * samples[0]), slope


def median_times(readings: Sequence[StepTimes]) -> StepTimes:
    """Return the median of each time."""
    return StepTimes(
        pass_s=median(one.pass_s for one in readings),
        sample_s=median(one.sample_s for one in readings),
        update_s=median(one.update_s for one in readings),
        backward_share=median(one.backward_share for one in readings),
        spread=median(one.spread for one in readings),
    )
