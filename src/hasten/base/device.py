"""The one object that is asked about a device: another kind of accelerator is supported by changing this file."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch

_WITH_STREAMS = ("cuda", "xpu")


@dataclass(frozen=True)
class Device:
    """A device by torch's name ("cpu", "cuda", "cuda:1", "xpu", "mps").

    What is said of memory and time goes through `torch.accelerator`, so it holds for each of its back ends.
    """

    name: str = "cpu"

    def __str__(self) -> str:
        return self.name

    @cached_property
    def kind(self) -> str:
        """The back end: the name without the index."""
        return torch.device(self.name).type

    @cached_property
    def is_host(self) -> bool:
        """Whether the CPU computes, so that nothing is queued or copied."""
        return self.kind == "cpu"

    @cached_property
    def is_cuda(self) -> bool:
        """Whether it is an NVIDIA or ROCm GPU, for what only those have."""
        return self.kind == "cuda"

    @cached_property
    def has_streams(self) -> bool:
        """Whether copies can run beside the computation, on a stream of their own."""
        return self.kind in _WITH_STREAMS

    def count(self) -> int:
        """Return how many accelerators this machine has."""
        return torch.accelerator.device_count()

    def synchronize(self) -> None:
        """Wait until the device has done all that was queued; the CPU queues nothing."""
        if not self.is_host:
            torch.accelerator.synchronize(self.name)

    def event(self, *, timing: bool = False) -> torch.Event:
        """Return a new event of the device's queue. A CPU has no queue and no events."""
        return torch.Event(self.kind, enable_timing=timing)

    @contextmanager
    def own_stream(self) -> Generator[None]:
        """Queue the body's work on a new stream, beside the current one."""
        with torch.Stream(self.name):
            yield

    def empty_cache(self) -> None:
        """Give the memory that torch keeps for later back to the device."""
        if not self.is_host:
            torch.accelerator.empty_cache()

    def free_bytes(self) -> int:
        """Return the memory that is free on an accelerator."""
        return torch.accelerator.get_memory_info(self.name)[0]

    def allocated_bytes(self) -> int:
        """Return the memory of an accelerator that tensors occupy."""
        return torch.accelerator.memory_allocated(self.name)

    def reserved_bytes(self) -> int:
        """Return the memory of an accelerator that torch holds, whether tensors occupy it or not."""
        return torch.accelerator.memory_reserved(self.name)

    def peak_allocated_bytes(self) -> int:
        """Return the most that tensors occupied on an accelerator since `reset_peaks`."""
        return torch.accelerator.max_memory_allocated(self.name)

    def peak_reserved_bytes(self) -> int:
        """Return the most that torch held on an accelerator since `reset_peaks`."""
        return torch.accelerator.max_memory_reserved(self.name)

    def reset_peaks(self) -> None:
        """Start to count peaks from what an accelerator holds now; nothing is counted on the CPU."""
        if not self.is_host:
            torch.accelerator.reset_peak_memory_stats(self.name)

    def allocation_retries(self) -> int:
        """Return how often the cache of an accelerator had to be emptied before memory could be had."""
        return int(torch.accelerator.memory_stats(self.name).get("num_alloc_retries", 0))


def initialized() -> Device | None:
    """Return the accelerator that this process has used, or None; starts none."""
    kind = torch.accelerator.current_accelerator(check_available=True)
    if kind is None or not getattr(torch.get_device_module(kind), "is_initialized", lambda: True)():
        return None
    return Device(kind.type)
