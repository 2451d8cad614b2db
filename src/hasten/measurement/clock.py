"""The clock of a training step: marks that cost next to nothing, and the parts of each step that they add up to."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hasten.base.device import Device

Nanoseconds = NDArray[np.int64]


class StepClock(Protocol):
    """Takes the marks of a run: `mark(i)` says that the time since the mark before belongs to part i of the step."""

    @property
    def mark(self) -> Callable[[int], None]:
        """What the loop calls at the end of each part."""
        ...

    def moments_ns(self) -> Nanoseconds:
        """Return the start and then the moment of every mark, (marks + 1)."""
        ...

    def parts(self) -> Nanoseconds:
        """Return the part of every mark, (marks)."""
        ...


class Marks:
    """Marks by the clock of the host.

    Two appends to a list and one reading of the clock, about 0.1 microseconds; an array of fixed size would be slower
    to write to, and would overflow.

    Args:
        clock: nanoseconds since some moment.
    """

    def __init__(self, clock: Callable[[], int] = perf_counter_ns) -> None:
        self._start_ns = clock()
        self._notes: list[int] = []  # moment, part, moment, part, ...
        note = self._notes.append

        def mark(part: int) -> None:
            note(clock())
            note(part)

        self.mark = mark

    def moments_ns(self) -> Nanoseconds:
        """Return the start and then the moment of every mark, (marks + 1)."""
        return np.array([self._start_ns, *self._notes[0::2]], dtype=np.int64)

    def parts(self) -> Nanoseconds:
        """Return the part of every mark, (marks)."""
        return np.array(self._notes[1::2], dtype=np.int64)


class Event(Protocol):
    """A mark that the device itself makes when it comes to it in its queue; `torch.Event` is one."""

    def record(self) -> None:
        """Put the mark into the queue."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has come to it."""
        ...

    def elapsed_time(self, end_event: Any, /) -> float:
        """Return the milliseconds from this mark to a later one."""
        ...


def marks_of(device: Device) -> "Marks | DeviceMarks":
    """Return the clock that tells what a step costs on a device: the host's own, or that of the device's queue."""
    return Marks() if device.is_host else DeviceMarks(partial(device.event, timing=True))


class DeviceMarks:
    """Marks by the clock of the device, in the order of its queue; nothing waits for the device until one asks.

    A part then lasts from when the device has done the part before until it has done this one, idle time included.
    Events are used again once they have been read.

    Args:
        new_event: makes an event.
    """

    def __init__(self, new_event: Callable[[], Event]) -> None:
        self._new_event = new_event
        self._spare: list[Event] = []
        self._moments: list[int] = [0]
        self._parts: list[int] = []
        self._pending: list[Event] = [self._recorded()]  # the first is the last one read

    def mark(self, part: int) -> None:
        """Say that the time since the mark before belongs to `part`."""
        self._pending.append(self._recorded())
        self._parts.append(part)

    def moments_ns(self) -> Nanoseconds:
        """Wait for the device, and return the start and then the moment of every mark, (marks + 1)."""
        self._pending[-1].synchronize()
        for earlier, later in pairwise(self._pending):
            self._moments.append(self._moments[-1] + round(earlier.elapsed_time(later) * 1e6))
        self._spare += self._pending[:-1]
        del self._pending[:-1]
        return np.array(self._moments, dtype=np.int64)

    def parts(self) -> Nanoseconds:
        """Return the part of every mark, (marks)."""
        return np.array(self._parts, dtype=np.int64)

    def _recorded(self) -> Event:
        event = self._spare.pop() if self._spare else self._new_event()
        event.record()
        return event


def step_times_ns(clock: StepClock, *, parts: int, last: int) -> Nanoseconds:
    """Return the nanoseconds of each part of each whole step; a row sums exactly to the wall clock of its step.

    Args:
        clock: the marks of a run.
        parts: how many parts there are.
        last: the part that ends a step, by custom "other": what belongs to no other part. Marks after the last one of
            these belong to no whole step and are left out.

    Returns:
        (steps, parts) int64.
    """
    moments, part = clock.moments_ns(), clock.parts()
    ends = part == last
    steps = int(ends.sum())
    step = np.cumsum(ends) - ends  # the mark that ends a step belongs to it
    whole = step < steps
    times = np.zeros((steps, parts), dtype=np.int64)
    np.add.at(times, (step[whole], part[whole]), np.diff(moments)[whole])
    return times


def step_counts(clock: StepClock, *, part: int, last: int) -> Nanoseconds:
    """Return how many marks of a part each whole step has, (steps); `last` is the part that ends a step."""
    parts = clock.parts()
    ends = parts == last
    step = np.cumsum(ends) - ends
    return np.bincount(step[parts == part], minlength=len(parts) + 1)[: int(ends.sum())]
