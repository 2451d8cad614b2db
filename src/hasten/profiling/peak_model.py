"""Predict the peak memory of a step at any batch size from two small steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hasten.base.device import Device
from hasten.base.records.profile import PartMemory
from hasten.data.batch import Batch
from hasten.data.loading.streams import samples_in
from hasten.measurement.collector import collector_off
from hasten.measurement.memory import LiveStorages
from hasten.profiling.stepping import resized
from hasten.training.marks import PARTS
from hasten.training.session import Session
from hasten.training.step import step

Value = TypeVar("Value", float, NDArray[np.float64])


@dataclass(frozen=True)
class Watched:
    """One step with its memory watched: what was there before, and by how much the memory in use changed, in order.

    `marks` has the parts of the step as they ended, each with the number of changes until then. `unwatched_bytes` is
    what an accelerator had in use at the peak beside the tensors that operators touched: workspaces of cuBLAS and
    cuDNN, rounding to whole blocks, tensors that the step leaves alone.
    """

    size: int
    resident_bytes: int
    changes: tuple[int, ...]
    marks: tuple[tuple[int, int], ...] = ()
    unwatched_bytes: int = 0


@dataclass(frozen=True)
class PeakModel:
    """Bytes that a step needs at its peak, for every batch size.

    A step allocates and frees the same tensors in the same order whatever the batch, and each tensor is a constant and
    a share per sample. Two sizes therefore tell the whole course of the memory at any other. Where the two courses
    differ in length (a kernel was chosen by size), only their peaks are used.
    """

    first: Watched
    second: Watched

    @property
    def exact(self) -> bool:
        """Whether the courses of both sizes match."""
        return len(self.first.changes) == len(self.second.changes)

    def peak_bytes(self, size: int) -> int:
        """Return the bytes at the peak of a step on `size` samples."""
        if not self.exact:
            return round(self._at(size, float(_peak(self.first)), float(_peak(self.second))))
        changes = self._at(size, _array(self.first.changes), _array(self.second.changes))
        resident = self._at(size, float(_resident(self.first)), float(_resident(self.second)))
        return round(resident + max(float(changes.cumsum().max(initial=0.0)), 0.0))

    def largest(self, available_bytes: float, *, most: int) -> int:
        """Return the largest batch, at most `most`, whose step fits into that many bytes; 0 if none does."""
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            if self.peak_bytes(middle) <= available_bytes:
                low = middle
            else:
                high = middle - 1
        return low

    def _at(self, size: int, first: Value, second: Value) -> Value:
        return first + (second - first) * ((size - self.first.size) / (self.second.size - self.first.size))


def watched_step(run: Session, batch: Batch) -> Watched:
    """Make one step and return the course of its memory."""
    device = run.recipe.device
    with collector_off(), _Course(device) as course:
        device.reset_peaks()
        step(run, batch, course.mark)
    watched_peak = course.resident_bytes + course.peak_bytes
    return Watched(
        samples_in(batch),
        course.resident_bytes,
        tuple(course.changes),
        tuple(course.marks),
        unwatched_bytes=0 if device.is_host else max(device.peak_allocated_bytes() - watched_peak, 0),
    )


def over_step(watched: Watched) -> tuple[PartMemory, ...]:
    """Return what each part of the step had in use; a part that comes several times (accumulation) is one row."""
    in_use = _resident(watched) + np.cumsum([0, *watched.changes])
    rows: dict[int, tuple[int, int]] = {}
    first = 0
    for part, end in watched.marks:
        peak = int(in_use[first : end + 1].max())
        rows[part] = (max(peak, rows.get(part, (0, 0))[0]), int(in_use[end]))
        first = end
    return tuple(PartMemory(name=PARTS[part], peak_bytes=peak, end_bytes=end) for part, (peak, end) in rows.items())


def peak_model(run: Session, batch: Batch, sizes: Sequence[int]) -> PeakModel:
    """Return the model that two sizes of the batch give."""
    first, second = (watched_step(run, resized(batch, size)) for size in sizes)
    return PeakModel(first, second)


class _Course(LiveStorages):
    """Notes every change, besides the peak."""

    def __init__(self, device: Device) -> None:
        super().__init__(device.kind)
        self.changes: list[int] = []
        self.marks: list[tuple[int, int]] = []

    def mark(self, part: int) -> None:
        self.marks.append((part, len(self.changes)))

    def _count(self, change_bytes: int, origin: str) -> None:
        super()._count(change_bytes, origin)
        self.changes.append(change_bytes)


def _resident(watched: Watched) -> int:
    return watched.resident_bytes + watched.unwatched_bytes


def _peak(watched: Watched) -> int:
    return _resident(watched) + max(int(_array(watched.changes).cumsum().max(initial=0.0)), 0)


def _array(changes: Sequence[int]) -> NDArray[np.float64]:
    return np.array(changes, dtype=np.float64)
