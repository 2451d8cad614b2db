"""Memory bandwidth."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from hasten.machine.benchmark import Benchmark
from hasten.machine.readings import Clock, host_clock

_CPUS = Path("/sys/devices/system/cpu")
_USUAL_CACHE_BYTES = 32 << 20  # where the system does not tell
_LARGEST_ARRAY_BYTES = 1 << 30


def memory_benchmarks(
    device: str, *, memory_bytes: int, cache_bytes: int, clock: Clock = host_clock
) -> list[Benchmark]:
    """Return the benchmarks "copy" (b = a) and "add" (c = a + b) on arrays that no cache can hold.

    Source: STREAM (McCalpin, 1995): arrays of four times the last-level cache, each byte that the program reads or
    writes counted once. Arrays are at most 1 GiB, and a sixteenth of the memory.

    Args:
        device: "cpu" or "cuda".
        memory_bytes: the device's memory.
        cache_bytes: all its last-level caches together.
        clock: how to time a run on that device.
    """
    array_bytes = min(4 * cache_bytes, _LARGEST_ARRAY_BYTES, memory_bytes // 16)
    return [
        Benchmark(
            kind="memory",
            format="float32",
            backend="",
            size=(array_bytes,),
            work=float(arrays * array_bytes),
            ready=partial(_ready, kernel, arrays, array_bytes, device),
            variant=variant,
            device=device,
            clock=clock,
        )
        for variant, arrays, kernel in (("copy", 2, _copy), ("add", 3, _add))
    ]


def last_level_cache_bytes() -> int:
    """Return the bytes of all last-level caches of the CPU together; 32 MiB where the system does not tell."""
    sizes: dict[tuple[int, str], int] = {}
    for folder in _CPUS.glob("cpu[0-9]*/cache/index[0-9]*"):
        level, size, shared = (folder / name for name in ("level", "size", "shared_cpu_list"))
        if level.is_file() and size.is_file() and shared.is_file():
            sizes[int(level.read_text()), shared.read_text().strip()] = _kibibytes(size.read_text().strip())
    last = max((level for level, _ in sizes), default=0)
    return sum(size for (level, _), size in sizes.items() if level == last) or _USUAL_CACHE_BYTES


def _kibibytes(text: str) -> int:
    return int(text.rstrip("KM")) * (1 << 20 if text.endswith("M") else 1 << 10)


def _copy(arrays: list[Tensor]) -> None:
    arrays[0].copy_(arrays[1])


def _add(arrays: list[Tensor]) -> None:
    torch.add(arrays[0], arrays[1], out=arrays[2])


@contextmanager
def _ready(
    kernel: Callable[[list[Tensor]], None], arrays: int, array_bytes: int, device: str
) -> Generator[Callable[[], object]]:
    yield partial(kernel, [torch.ones(array_bytes // 4, dtype=torch.float32, device=device) for _ in range(arrays)])
