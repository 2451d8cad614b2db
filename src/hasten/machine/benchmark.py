"""Benchmarks as values, and running a list of them within a time that is given beforehand."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from hasten.base.records.machine import Peak
from hasten.machine.readings import LEAST_RUNS, STRETCH, Clock, Timing, host_clock, time_run

_LARGEST_SHARE = 4.0  # small problems leave time over, so a large one may take a few times its even share
_USUAL_RUNS = STRETCH + 2  # of a large problem, where one run fills a reading
_FLOOR = 5e9  # operations or bytes per second that are supposed where all readings so far were disturbed


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One kind of work on one size of problem; the fields are those of `Peak`.

    `work` is the operations or bytes of one run. `ready()` allocates, sets flags, and gives the run itself; on leaving
    it everything is as before.
    """

    kind: str
    format: str
    backend: str
    size: tuple[int, ...]
    work: float
    ready: Callable[[], AbstractContextManager[Callable[[], object]]]
    variant: str = ""
    device: str = "cpu"
    clock: Clock = host_clock

    @property
    def family(self) -> tuple[str, ...]:
        """What all sizes of this benchmark share."""
        return (self.kind, self.format, self.backend, self.variant, self.device)


def run_benchmarks(benchmarks: Sequence[Benchmark], *, deadline: float) -> tuple[list[Peak], list[Benchmark]]:
    """Return the peak of each benchmark and those left out for want of time or memory.

    The first pass gives each its share of the time; a second one repeats, while time is left, those that were not
    stable: what disturbed them may have ended.

    Args:
        benchmarks: within a family the smaller first, since the smaller tell how long the larger will take.
        deadline: on the clock of `time.perf_counter`.
    """
    timings: dict[Benchmark, Timing] = {}
    rates: dict[tuple[str, ...], float] = {}  # the best of each family so far
    for index, benchmark in enumerate(benchmarks):
        left_s = deadline - time.perf_counter()
        even_s = left_s / (len(benchmarks) - index)
        expected_s = benchmark.work / rates.get(benchmark.family, math.inf)
        most_s = min(left_s, _LARGEST_SHARE * even_s)
        if left_s <= 0 or expected_s * LEAST_RUNS > most_s:
            continue
        timing = _time(benchmark, max(even_s, min(most_s, expected_s * _USUAL_RUNS)))
        if timing is not None:
            timings[benchmark] = timing
            rate = max(benchmark.work / timing.seconds, 0.0 if timing.stable else _FLOOR)
            rates[benchmark.family] = max(rates.get(benchmark.family, 0.0), rate)
    _repeat_unstable(timings, deadline)
    left_out = [benchmark for benchmark in benchmarks if benchmark not in timings]
    return [_peak(benchmark, timing) for benchmark, timing in timings.items()], left_out


def _repeat_unstable(timings: dict[Benchmark, Timing], deadline: float) -> None:
    unstable = [benchmark for benchmark, timing in timings.items() if not timing.stable]
    for index, benchmark in enumerate(unstable):
        left_s = deadline - time.perf_counter()
        fits = LEAST_RUNS * timings[benchmark].seconds < left_s
        again = _time(benchmark, left_s / (len(unstable) - index)) if fits else None
        if again is not None and (again.stable or again.seconds < timings[benchmark].seconds):
            timings[benchmark] = again


def _time(benchmark: Benchmark, budget_s: float) -> Timing | None:
    try:
        with benchmark.ready() as run:
            return time_run(run, clock=benchmark.clock, budget_s=budget_s)
    except torch.OutOfMemoryError:  # a GPU that others fill: this size is left out, which the caller is told
        return None


def _peak(benchmark: Benchmark, timing: Timing) -> Peak:
    rate = timing.seconds if benchmark.kind == "launch" else benchmark.work / timing.seconds
    return Peak(
        kind=benchmark.kind,
        format=benchmark.format,
        backend=benchmark.backend,
        size=benchmark.size,
        rate=rate,
        spread=timing.spread,
        stable=timing.stable,
        variant=benchmark.variant,
        device=benchmark.device,
    )
