"""From the marks of a run to the anatomy of its step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.records.interval import Interval
from hasten.measurement.statistics import TRIMMED_SHARE, interval_of

Times = NDArray[np.float64]

_BLOCKS = 30
_WARM_STEPS = 3
_WARM_SHARE = 0.1


@dataclass(frozen=True)
class Anatomy:
    """The typical step: what it takes in all, and in each part; the parts sum to the step.

    `hiccups_s` is what the mean step takes beyond the typical one.
    """

    step_s: Interval
    parts_s: tuple[float, ...]
    hiccups_s: float
    steps: int


class Timeline:
    """The marks of a run: `mark(i)` says that the time since the mark before belongs to part i.

    Two list appends and one reading of the clock, about 0.15 microseconds: nothing that the training could feel.

    Args:
        clock: nanoseconds since some moment.
    """

    def __init__(self, clock: Callable[[], int] = perf_counter_ns) -> None:
        self.moments: list[int] = [clock()]
        self.parts: list[int] = []
        note_moment, note_part = self.moments.append, self.parts.append

        def mark(part: int) -> None:
            note_moment(clock())
            note_part(part)

        self.mark = mark


def step_times(timeline: Timeline, *, parts: int, last: int) -> Times:
    """Return the seconds of each part of each whole step.

    Args:
        timeline: the marks of a run.
        parts: how many parts there are.
        last: the part that ends a step; marks after the last one of these belong to no whole step and are left out.

    Returns:
        (steps, parts) float64.
    """
    part = np.asarray(timeline.parts, dtype=np.int64)
    seconds = np.diff(np.asarray(timeline.moments, dtype=np.int64)) * 1e-9
    ends = part == last
    steps = int(ends.sum())
    step = np.cumsum(ends) - ends  # the mark that ends a step belongs to it
    whole = step < steps
    times = np.zeros((steps, parts))
    np.add.at(times, (step[whole], part[whole]), seconds[whole])
    return times


def warm(times: Times) -> Times:
    """Return the steps after the first three and the first tenth of the time, but at least half of them."""
    totals = times.sum(axis=1)
    passed = np.cumsum(totals) - totals[0]  # the first step may have compiled for minutes
    early = int(np.searchsorted(passed, _WARM_SHARE * passed[-1]))
    return times[min(max(early, _WARM_STEPS), len(times) // 2) :]


def anatomy(times: Times) -> Anatomy:
    """Return the typical step of a run.

    Consecutive steps make up to 30 blocks, so that waits that come every few steps are averaged within each. Typical
    are the middle 60 % of the blocks: a burst of foreign load spoils a block, not the anatomy. The parts are means over
    the very blocks that the trimmed mean of the step is made of, and so sum to it.

    Args:
        times: (steps, parts) seconds, warm.

    Raises:
        BadInput: if there are fewer than 2 steps.
    """
    if len(times) < 2:
        raise BadInput(f"an anatomy needs at least 2 steps after warming up; found {len(times)}. Allow more time.")
    size = -(-len(times) // _BLOCKS)
    whole = len(times) // size
    blocks = times[: whole * size].reshape(whole, size, -1).mean(axis=1)
    totals = blocks.sum(axis=1)
    cut = int(TRIMMED_SHARE * whole)
    middle = np.argsort(totals, kind="stable")[cut : whole - cut]
    step_s = interval_of(totals)
    return Anatomy(
        step_s=step_s,
        parts_s=tuple(blocks[middle].mean(axis=0).tolist()),
        hiccups_s=max(0.0, float(times.sum(axis=1).mean()) - step_s.value),
        steps=len(times),
    )


def shares(seconds: Sequence[float]) -> list[float]:
    """Return each of the times as a share of their sum."""
    total = sum(seconds)
    return [value / total for value in seconds]
