"""Timing one piece of work: repeated readings, those that nothing disturbed, and the quietest stretch of them."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hasten.machine.scheduling import waited_for_core_s

Clock = Callable[[Callable[[], object], int], float]
"""Runs something that many times and returns the seconds that one run took."""

STRETCH = 7
"""Consecutive undisturbed readings that must agree: enough for quartiles, few enough to find in a busy machine."""

STABLE_SPREAD = 0.05
"""The widest spread of a stable rate. `torch.utils.benchmark` warns of the same: an interquartile range over 10 %."""

LEAST_RUNS = 5
"""Runs that a timing costs at least: the first, two that tell how many fill a reading, and two readings."""

_DISTURBED = 0.02  # of the reading's time that threads may have waited for a core
_READING_S = 5e-4  # thousands of times the clock's resolution, yet often within one time slice on a busy machine
_NAP_S = 1e-2  # the scheduler gives threads that slept their cores back at once


@dataclass(frozen=True)
class Reading:
    """The seconds of one run, and the share of the time that this process waited for a core."""

    seconds: float
    waited: float = 0.0


@dataclass(frozen=True)
class Timing:
    """How long one run takes, in seconds, and whether that can be believed."""

    seconds: float
    spread: float  # relative half-width of the middle half of the stretch
    stable: bool


def host_clock(run: Callable[[], object], calls: int) -> float:
    """Return the wall seconds of one run, over `calls` runs on the CPU."""
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls


def read(run: Callable[[], object], clock: Clock, calls: int) -> Reading:
    """Return one reading over `calls` runs."""
    waited, started = waited_for_core_s(), time.perf_counter()
    seconds = clock(run, calls)
    elapsed = time.perf_counter() - started
    return Reading(seconds, max(0.0, waited_for_core_s() - waited) / elapsed)


def take_readings(run: Callable[[], object], *, clock: Clock, budget_s: float) -> list[Reading]:
    """Return readings of `run`, until a stretch of undisturbed ones agrees or the budget is spent.

    There are two at least, or none where the first run alone takes so long that two would not be had in time.
    A few runs go before: the first makes kernels and touches memory, the others tell how many fill one reading. After a
    disturbed reading the process naps, and runs once unread to wake its threads: on two cores with four busy processes
    that left half of the readings undisturbed instead of none.
    """
    deadline = time.perf_counter() + budget_s
    if clock(run, 1) > budget_s / LEAST_RUNS:
        return []
    calls = math.ceil(_READING_S / max(min(clock(run, 1) for _ in range(2)), 1e-9))
    readings: list[Reading] = []
    while len(readings) < 2 or (time.perf_counter() < deadline and not summarise(readings).stable):
        readings.append(read(run, clock, calls))
        if readings[-1].waited > _DISTURBED:
            time.sleep(_NAP_S)
            clock(run, 1)
    return readings


def summarise(readings: Sequence[Reading]) -> Timing:
    """Return the median of the quietest stretch of undisturbed readings, with its spread.

    Agreement alone is not enough: where other processes hold the cores, a parallel loop waits for its slowest thread,
    and readings agree within 1 % on a whole multiple of the scheduler's tick. So the readings in which threads waited
    for a core are set aside first. Of the others the stretch with the least median tells most about the machine, since
    what disturbs can only add time. Fewer than a stretch (two readings at least) are never called stable.
    """
    undisturbed = [reading.seconds for reading in readings if reading.waited <= _DISTURBED]
    seconds = undisturbed if len(undisturbed) > 1 else [reading.seconds for reading in readings]
    starts = range(max(1, len(seconds) - STRETCH + 1))
    quiet = min((seconds[start : start + STRETCH] for start in starts), key=statistics.median)
    median = statistics.median(quiet)
    low, _, high = statistics.quantiles(quiet, n=4, method="inclusive")
    spread = (high - low) / 2 / median
    enough = len(undisturbed) >= STRETCH
    return Timing(seconds=median, spread=spread, stable=enough and spread <= STABLE_SPREAD)
