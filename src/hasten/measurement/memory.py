"""Peak memory of a callable, in tensor bytes: exact and repeatable on the CPU, the allocator's own elsewhere."""

import gc
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hasten.base.device import Device
from hasten.base.errors import BadInput
from hasten.base.records.profile import MemoryPeak
from hasten.measurement.collector import collector_off
from hasten.measurement.tensors import storage_key, storages_in


def peak_memory(run: Callable[[], object], *, device: str | torch.device = "cpu") -> MemoryPeak:
    """Return the most tensor memory that was in use at one moment of `run()`.

    On an accelerator its caching allocator is asked. On the CPU every operator is watched: the memory of its inputs
    and outputs counts from when it first appears until it is freed, what is saved for backward included; what no
    operator made (weights and optimizer state that `run` finds, batches from numpy) counts from the start. The same
    `run` gives the same bytes, on any machine, whatever ran before. Scratch memory inside one operator is not seen,
    nor is memory that `run` finds and never touches.

    Args:
        run: called once; give it a step that has run before, or first-time allocations (optimizer state) count too.
        device: whose memory is meant.

    Raises:
        BadInput: on the CPU, if `run` calls a function compiled by torch.compile, which would run uncompiled while
            it is watched.
    """
    place = Device(str(device))
    return _watched_peak(run, place) if place.is_host else _allocator_peak(run, place)


def _allocator_peak(run: Callable[[], object], device: Device) -> MemoryPeak:
    gc.collect()  # the allocator cannot tell garbage from what is in use
    device.synchronize()
    resident = device.allocated_bytes()
    device.reset_peaks()
    run()
    device.synchronize()
    peak = device.peak_allocated_bytes()
    return MemoryPeak(peak_bytes=peak, resident_bytes=resident, by_origin={}, device=str(device))


def _watched_peak(run: Callable[[], object], device: Device) -> MemoryPeak:
    with collector_off(), LiveStorages(device.kind) as live:
        run()
    return MemoryPeak(
        peak_bytes=live.peak_bytes + live.resident_bytes,
        resident_bytes=live.resident_bytes,
        by_origin=dict(live.at_peak + Counter(resident=live.resident_bytes)),
        device=str(device),
    )


class LiveStorages(TorchDispatchMode):
    """Follows the birth and the death of every storage that operators touch while this is entered.

    `peak_bytes` is the most that was alive at once beyond `resident_bytes`, the size of what was there before;
    `more_bytes` what is alive now beyond it, below zero as that is freed.

    Args:
        device_type: on which kind of device; others are left out.
    """

    def __init__(self, device_type: str = "cpu") -> None:
        super().__init__()
        self._device_type = device_type
        self.peak_bytes = 0
        self.resident_bytes = 0
        self.at_peak: Counter[str] = Counter()
        self._alive: Counter[str] = Counter()  # "resident" falls below zero as what was there is freed
        self.more_bytes = 0
        self._known: dict[int, tuple[int, str, weakref.ref[torch.UntypedStorage]]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and take note of the memory that it touched."""
        kwargs = kwargs or {}
        _refuse_compiled_code()
        for storage in self._here((args, kwargs)):
            if storage_key(storage) not in self._known:
                self.resident_bytes += storage.nbytes()
                self._remember(storage, "resident")
        output = func(*args, **kwargs)
        origin = _origin()
        for storage in self._here(output):
            size, born, _ = self._known.get(storage_key(storage), (0, origin, None))
            if storage.nbytes() != size:  # new, or resized in place
                self._count(storage.nbytes() - size, born)
                self._remember(storage, born)
        return output

    def _here(self, value: object) -> Iterator[torch.UntypedStorage]:
        return storages_in(value, self._device_type)

    def _remember(self, storage: torch.UntypedStorage, origin: str) -> None:
        key, size = storage_key(storage), storage.nbytes()
        self._known[key] = (size, origin, weakref.ref(storage, partial(self._forget, key)))

    def _forget(self, key: int, _: object) -> None:
        size, origin, _ = self._known.pop(key)
        self._count(-size, origin)

    def _count(self, change_bytes: int, origin: str) -> None:
        self.more_bytes += change_bytes
        self._alive[origin] += change_bytes
        if self.more_bytes > self.peak_bytes:
            self.peak_bytes = self.more_bytes
            self.at_peak = self._alive.copy()


def _origin() -> str:
    if torch._C._current_graph_task_id() != -1:  # as torch.utils.module_tracker tells that backward runs
        return "backward"
    return "forward" if torch.is_grad_enabled() else "no_grad"


def _refuse_compiled_code() -> None:
    frame = sys._getframe(2)
    while frame is not None:
        # under a dispatch mode Dynamo runs the original code, from this wrapper
        if frame.f_code.co_name == "compile_wrapper" and frame.f_globals.get("__name__") == "torch._dynamo.eval_frame":
            raise BadInput(
                "what peak_memory watches on the CPU must not be compiled; found a call of a torch.compile'd function, "
                "which would run uncompiled and be miscounted. Use rss_peak for compiled code."
            )
        frame = frame.f_back
