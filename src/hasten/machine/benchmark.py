"""Benchmarks as values, and running a list of them within a deadline."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import zip_longest

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


def by_turns(families: Iterable[Sequence[Benchmark]]) -> list[Benchmark]:
    """Return the first benchmark of every family, then the second of every family, and so on."""
    turns = zip_longest(*families)
    return [benchmark for turn in turns for benchmark in turn if benchmark is not None]


def run_benchmarks(
    benchmarks: Sequence[Benchmark], *, deadline: float, warm_up_s: float = 0.0
) -> tuple[list[Peak], list[Benchmark]]:
    """Return the peak of each benchmark, and the benchmarks that were skipped: no time or no memory left.

    The first pass gives each its share of the time; a second one repeats, while time is left, those that were not
    stable: what disturbed them may have ended.

    Args:
        benchmarks: in order of priority. Where sizes of a family grow, the smaller predict how long the larger take.
        deadline: on the clock of `time.perf_counter`.
        warm_up_s: seconds by which first runs (compiling, cuDNN's search for the fastest kernel) may move the deadline.
    """
    timings: dict[Benchmark, Timing] = {}
    rates: dict[tuple[str, ...], float] = {}  # the best of each family so far
    latest = deadline + warm_up_s
    for index, benchmark in enumerate(benchmarks):
        left_s = deadline - time.perf_counter()
        even_s = left_s / (len(benchmarks) - index)
        expected_s = benchmark.work / rates.get(benchmark.family, math.inf)
        most_s = min(left_s, _LARGEST_SHARE * even_s)
        if left_s <= 0 or expected_s * LEAST_RUNS > most_s:
            continue
        timing, first_run_s = _time(benchmark, max(even_s, min(most_s, expected_s * _USUAL_RUNS)))
        deadline = min(deadline + first_run_s, latest)
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
        again, _ = _time(benchmark, left_s / (len(unstable) - index)) if fits else (None, 0.0)
        if again is not None and (again.stable or again.seconds < timings[benchmark].seconds):
            timings[benchmark] = again


def _time(benchmark: Benchmark, budget_s: float) -> tuple[Timing | None, float]:
    """Return the timing, None where memory ran out, and the seconds until the first run had ended."""
    began = time.perf_counter()
    try:
        with benchmark.ready() as run:
            benchmark.clock(run, 1)
            first_run_s = time.perf_counter() - began
            return time_run(run, clock=benchmark.clock, budget_s=budget_s), first_run_s
    except torch.OutOfMemoryError:  # other processes fill the GPU: the size counts as skipped
        return None, 0.0


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
