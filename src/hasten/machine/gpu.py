"""GPU only: copies to and from the device, and kernel launches."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from hasten.base.device import Device
from hasten.machine.benchmark import Benchmark

CUDA = Device("cuda")
_LAUNCHES = 200  # a queue long enough that one reading is not the wait for its end


def cuda_clock(run: Callable[[], object], calls: int) -> float:
    """Return the seconds of one run on the GPU's own clock, over `calls` runs in its current stream."""
    first, last = (CUDA.event(timing=True) for _ in range(2))
    CUDA.synchronize()
    first.record()
    for _ in range(calls):
        run()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) * 1e-3 / calls


def gpu_benchmarks(copy_bytes: int) -> list[Benchmark]:
    """Return the benchmarks of copying `copy_bytes` either way, from pinned and pageable memory, and of launching."""
    directions = (("to device", True), ("to device", False), ("to host", True), ("to host", False))
    copies = [
        Benchmark(
            kind="copy",
            format="",
            backend="",
            size=(copy_bytes,),
            work=float(copy_bytes),
            ready=partial(_copy_ready, direction, pinned, copy_bytes),
            variant=f"{direction}, {'pinned' if pinned else 'pageable'}",
            device="cuda",
            clock=cuda_clock,
        )
        for direction, pinned in directions
    ]
    launch = Benchmark(
        kind="launch",
        format="",
        backend="",
        size=(1,),
        work=1.0,
        ready=_launch_ready,
        device="cuda",
        clock=_launch_clock,
    )
    return [*copies, launch]


def cuda_cache_bytes() -> int:
    """Return the bytes of the GPU's second-level cache."""
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)


@contextmanager
def _copy_ready(direction: str, pinned: bool, copy_bytes: int) -> Generator[Callable[[], object]]:
    host = torch.ones(copy_bytes, dtype=torch.uint8, device="cpu", pin_memory=pinned)
    device = torch.ones(copy_bytes, dtype=torch.uint8, device="cuda")
    target, source = (device, host) if direction == "to device" else (host, device)
    yield partial(target.copy_, source, non_blocking=True)


@contextmanager
def _launch_ready() -> Generator[Callable[[], object]]:
    one = torch.ones(1, dtype=torch.float32, device="cuda")
    yield partial(Tensor.add_, one, 1.0)


def _launch_clock(run: Callable[[], object], calls: int) -> float:
    """Return the seconds of one launch: a kernel that does next to nothing, launched many times in a row."""
    return cuda_clock(run, _LAUNCHES * calls)
