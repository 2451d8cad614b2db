"""The allocator's readings are those of the step; the GPU is faked, as its counters are: cumulative."""

from collections.abc import Callable

import pytest

from hasten.base.device import Device
from hasten.profiling.allocator import AllocatorUse, allocator_use

GIB = 1 << 30


class FakeAllocator:
    """Counts as the caching allocator of a GPU does."""

    def __init__(self) -> None:
        self.reserved, self.peak, self.retries, self.in_use = 0, 0, 0, GIB

    def need(self, reserved: int, *, retries: int = 0) -> Callable[[], None]:
        def work() -> None:
            self.reserved = max(self.reserved, reserved)
            self.peak = max(self.peak, self.reserved)
            self.retries += retries

        return work

    def empty_cache(self) -> None:
        self.reserved = self.in_use

    def reset_peak_memory_stats(self) -> None:
        self.peak = self.reserved


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> FakeAllocator:
    fake = FakeAllocator()
    monkeypatch.setattr(Device, "synchronize", lambda device: None)
    monkeypatch.setattr(Device, "empty_cache", lambda device: fake.empty_cache())
    monkeypatch.setattr(Device, "reset_peaks", lambda device: fake.reset_peak_memory_stats())
    monkeypatch.setattr(Device, "peak_reserved_bytes", lambda device: fake.peak)
    monkeypatch.setattr(Device, "allocation_retries", lambda device: fake.retries)
    return fake


def test_reserves_and_retries_of_earlier_work_are_not_those_of_the_step(allocator: FakeAllocator) -> None:
    allocator.need(126 * GIB, retries=3)()  # a batch size that was tried before
    assert allocator_use(allocator.need(3 * GIB), Device("cuda")) == AllocatorUse(reserved=3 * GIB, retries=0)


def test_retries_of_the_step_are_counted(allocator: FakeAllocator) -> None:
    assert allocator_use(allocator.need(3 * GIB, retries=1), Device("cuda")) == AllocatorUse(3 * GIB, retries=2)


def test_a_cpu_has_no_caching_allocator() -> None:
    assert allocator_use(lambda: None, Device("cpu")) is None
