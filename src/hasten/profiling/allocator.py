"""What a GPU's caching allocator needs for a step, whatever ran before it."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

from hasten.base.device import Device

_STEPS = 2  # the second step reuses what the first one reserved


@dataclass(frozen=True)
class AllocatorUse:
    """Bytes that the allocator reserves for a step, and how often it had to free its cache and try again."""

    reserved: int
    retries: int


def allocator_use(step: Callable[[], object], device: Device) -> AllocatorUse | None:
    """Make two steps from an empty cache and return what the allocator did in them; None on the CPU.

    Reserves and retries of earlier, larger work (another batch size that was tried) say nothing about the step: the
    cache is emptied, the peak reset, and retries are counted from here.

    Args:
        step: a step that has run before.
        device: on which it runs.
    """
    if device.is_host:
        return None
    gc.collect()  # the allocator cannot tell garbage from what is in use
    device.synchronize()
    device.empty_cache()
    device.reset_peaks()
    before = device.allocation_retries()
    for _ in range(_STEPS):
        step()
    device.synchronize()
    return AllocatorUse(reserved=device.peak_reserved_bytes(), retries=device.allocation_retries() - before)
