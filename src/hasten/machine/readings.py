"""Timing one piece of work: repeated readings, those that nothing disturbed, and the quietest stretch of them."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hasten.machine.scheduling import waited_for_core_s

Clock = Callable[[Callable[[], object], int], float]
"""Runs something that many times and returns the seconds that one run took."""

STRETCH = 7
"""Consecutive undisturbed readings that must agree: enough for quartiles, few enough to find in a busy machine."""

STABLE_SPREAD = 0.05
"""The widest spread of a stable rate. `torch.utils.benchmark` warns of the same: an interquartile range over 10 %."""

LEAST_RUNS = 4
"""Runs that a timing costs: two that warm up and tell how many fill a reading, and two readings."""

_DISTURBED = 0.02  # of the reading's time that threads may have waited for a core
_READING_S = 5e-4  # thousands of times the clock's resolution, yet often within one time slice on a busy machine
_NAP_S = 1e-2  # the scheduler gives threads that slept their cores back at once


@dataclass(frozen=True)
class Timing:
    """How long one run takes, in seconds, and whether that can be believed."""

    seconds: float
    spread: float  # relative half-width of the middle half of the readings
    stable: bool


def host_clock(run: Callable[[], object], calls: int) -> float:
    """Return the wall seconds of one run, over `calls` runs on the CPU."""
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls


def time_run(run: Callable[[], object], *, clock: Clock, budget_s: float) -> Timing:
    """Return the timing of the quietest stretch of undisturbed readings.

    Readings are taken until a stretch agrees or the budget is spent. What disturbs can only add time, so the stretch
    with the least median tells most about the machine. Agreement alone is not enough: where other processes hold the
    cores, a parallel loop waits for its slowest thread, and readings agree within 1 % on a multiple of the scheduler's
    tick. So a reading in which threads of this process waited for a core is set aside. After one the process naps, and
    runs once unread to wake its threads: on two cores with four busy processes that left half of the readings
    undisturbed instead of none. Where no whole stretch was undisturbed, the timing is not called stable.

    Args:
        run: what is timed. Its first run makes kernels and touches memory, and is not read.
        clock: how it is timed.
        budget_s: seconds for all readings. Where that is less than a few runs, two runs are all there is.
    """
    deadline = time.perf_counter() + budget_s
    warm_up = [clock(run, 1), clock(run, 1)]
    if LEAST_RUNS * min(warm_up) > budget_s:
        return replace(timing_of(warm_up), stable=False)
    calls = math.ceil(_READING_S / max(min(warm_up), 1e-9))
    undisturbed: list[float] = []
    disturbed: list[float] = []
    best = Timing(seconds=math.inf, spread=math.inf, stable=False)
    while len(undisturbed) + len(disturbed) < 2 or (time.perf_counter() < deadline and not best.stable):
        seconds, waited = _read(run, clock, calls)
        if waited > _DISTURBED:
            disturbed.append(seconds)
            time.sleep(_NAP_S)
            clock(run, 1)
        else:
            undisturbed.append(seconds)
            if len(undisturbed) >= STRETCH:
                best = _quieter(best, timing_of(undisturbed[-STRETCH:]))
    if math.isfinite(best.seconds):
        return best
    return replace(timing_of(undisturbed if len(undisturbed) > 1 else undisturbed + disturbed), stable=False)


def _quieter(best: Timing, next_one: Timing) -> Timing:
    """Return the better of two stretches: the one with the lesser median, or the stable one if that is as low."""
    as_low = next_one.seconds <= best.seconds * (1 + STABLE_SPREAD)
    return next_one if (next_one.stable and as_low) or next_one.seconds < best.seconds else best


def timing_of(seconds: Sequence[float]) -> Timing:
    """Return the median of two readings or more with their spread; stable if they are a stretch, and agree."""
    median = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    spread = (high - low) / 2 / median
    return Timing(seconds=median, spread=spread, stable=len(seconds) >= STRETCH and spread <= STABLE_SPREAD)


def _read(run: Callable[[], object], clock: Clock, calls: int) -> tuple[float, float]:
    """Return the seconds of one run, and the time waited for a core as a share of the reading's time."""
    waited, started = waited_for_core_s(), time.perf_counter()
    seconds = clock(run, calls)
    elapsed = time.perf_counter() - started
    return seconds, max(0.0, waited_for_core_s() - waited) / elapsed
