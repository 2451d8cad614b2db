"""A busy machine: where other work holds threads back that an operator waits for, steps are timed on one thread.

They are then timed by the processor's time that they take, which other work hardly changes.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import psutil
import torch

from hasten.data.loading.loaders import gathered, whole
from hasten.machine.facts import usable_processors
from hasten.machine.set_threads import threads_set
from hasten.training.contexts import Contexts
from hasten.training.recipe import Recipe
from hasten.tuning.bench import Bench
from hasten.tuning.budget import now_ns, now_s
from hasten.tuning.state import untouched

STEPS = 8
LONGEST_S = 1.0
"""For looking at either number of threads."""
BUSY_NOISE, NOISIER = 0.15, 2.0
"""Standard deviation of the logarithm of a step's time, and how many times that of one thread: a busy machine..."""
SLOWER, GRANTED = 1.5, 0.9
"""... as is one where steps take so much longer than on one thread, which gets only this share of a processor..."""
TAKEN, LOOK_S = 0.5, 0.2
"""... or while other work takes so much of the processors, seen over these seconds in which nothing runs here."""

LEAST_GRANTED = 0.7
"""Share of a processor that one thread gets: below, there is none for a second one."""


class Steps(NamedTuple):
    """A few steps: their median time, the standard deviation of its logarithm, and the processor's share of it."""

    step_s: float
    noise: float
    granted: float


def clock_of(threads: int | None) -> Callable[[], int]:
    """Return the clock for blocks, in nanoseconds: of the processor where only so many threads are free."""
    return now_ns if threads is None else time.process_time_ns


def why_not_by_processor(recipe: Recipe, changed: Recipe) -> str | None:
    """Return why a change of a recipe cannot be judged on a busy machine, or None."""
    ours = changed.input
    if ours.ahead != recipe.input.ahead or (
        ours.loader != recipe.input.loader and ours.loader not in (whole, gathered)
    ):
        return "makes batches beside the step"
    with Contexts(recipe.forward.contexts):
        before = torch.get_num_threads()
    with Contexts(changed.forward.contexts):
        return "sets the number of threads" if torch.get_num_threads() != before else None


class Free(NamedTuple):
    """How many threads blocks are timed on, None for all, and how many times as long a step takes on all as on one."""

    threads: int | None = None
    on_all: float = 1.0

    @property
    def best(self) -> int | None:
        """Threads to train on while that work lasts: None for all, unless steps on all took much longer."""
        return self.threads if self.on_all > SLOWER else None


ALL = Free()
"""No other work is in the way."""


def free_threads(bench: Bench) -> Free:
    """Return 1 thread where other work makes steps on all threads useless to time; set `bench.step_s` accordingly.

    All threads of an operator wait for the last one. Where another process holds a core, that wait is most of the step,
    and varies by more than any technique gains. A step on one thread varies far less.
    """
    if torch.get_num_threads() == 1 or not bench.run.recipe.device.is_host:
        return ALL
    first = _look(bench)
    return first if first.threads is None else _look(bench)  # it may have been a moment


def still_best(recipe: Recipe, threads: int | None) -> int | None:
    """Return on how many threads to train where so many were best while tuning; None for all, also once they are free.

    Takes a few steps of a model of its own, and none where `threads` is None.
    """
    if threads is None:
        return None
    with untouched():
        with threads_set(threads):  # quick on a busy machine, too
            bench = Bench(recipe)
        return threads if free_threads(bench).threads is not None else None


def _look(bench: Bench) -> Free:
    with threads_set(1):
        one = _timed(bench)
    bench.step_s = one.step_s
    if one.granted < LEAST_GRANTED:
        return Free(1)
    every = _timed(bench)
    if every.noise > max(BUSY_NOISE, NOISIER * one.noise) or (
        every.step_s > SLOWER * one.step_s and (one.granted < GRANTED or _taken() > TAKEN)
    ):
        return Free(1, every.step_s / one.step_s)
    bench.step_s = every.step_s
    return ALL


def _taken() -> float:
    """Return how many of the processors that this process may use are busy while it does nothing."""
    usable = usable_processors()
    shares = psutil.cpu_percent(LOOK_S, percpu=True)
    return sum(share for number, share in enumerate(shares) if number in usable) / 100


def _timed(bench: Bench) -> Steps:
    times, ends_s = list[float](), now_s() + LONGEST_S
    with bench:
        bench(1)
        processor_s, wall_s = time.process_time(), time.perf_counter()
        while len(times) < STEPS and (len(times) < 3 or now_s() < ends_s):
            began = now_s()
            bench(1)
            times.append(max(now_s() - began, 1e-9))
        granted = (time.process_time() - processor_s) / max(time.perf_counter() - wall_s, 1e-9)
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    return Steps(float(middle), math.log(high / low) / 1.349, granted)
