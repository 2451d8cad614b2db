"""Disk read rate, without the page cache."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import psutil

from hasten.base.records.machine import Peak
from hasten.base.units import nbytes
from hasten.machine.benchmark import Benchmark, run_benchmarks
from hasten.machine.readings import host_clock

_BLOCK_BYTES = 4 << 20
_ROOM = 4  # so many times the file's size must be free
_WRITING_SHARE = 0.5  # of the budget; the file ends where this ends


def measure_disk(folder: Path, *, file_bytes: int, budget_s: float) -> tuple[Peak | None, str]:
    """Return the rate of reading a file from front to back in `folder`, or None; and a remark, or "".

    A file of random bytes is written, flushed to the disk, and read a few times; before each reading the system is told
    to drop it from memory. Where it cannot be told so, or the folder has no disk below it, nothing is measured.

    Args:
        folder: where the data would be; made if missing, and no file stays in it.
        file_bytes: size of the file; less is written if that takes more than half of the budget.
        budget_s: seconds for it all.
    """
    failed = "disk not measured: "
    if not hasattr(os, "posix_fadvise"):
        return None, failed + "this system cannot drop a file from the page cache"
    started = time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < _ROOM * file_bytes:
            return None, f"{failed}only {nbytes(free_bytes)} free in {folder}"
        if _is_in_memory(folder):
            return None, f"{failed}{folder} is in memory (tmpfs)"
        with _file_on_disk(folder, file_bytes, _WRITING_SHARE * budget_s) as (descriptor, written_bytes):
            peaks, _ = run_benchmarks([_benchmark(descriptor, written_bytes)], deadline=started + budget_s)
    except OSError as error:
        return None, f"{failed}{folder} cannot be used ({error.strerror})"
    return (peaks[0], "") if peaks else (None, f"{failed}writing a file took more than {budget_s:.1f} s")


def _benchmark(descriptor: int, file_bytes: int) -> Benchmark:
    return Benchmark(
        kind="disk",
        format="",
        backend="",
        size=(file_bytes,),
        work=float(file_bytes),
        ready=partial(nullcontext, partial(_read_through, descriptor)),
        variant="read",
        clock=partial(_clock, descriptor),
    )


def _read_through(descriptor: int) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    block = bytearray(_BLOCK_BYTES)
    while os.readv(descriptor, [block]):
        pass


@contextmanager
def _file_on_disk(folder: Path, file_bytes: int, budget_s: float) -> Generator[tuple[int, int]]:
    """Give the descriptor and size of a file of random bytes that has reached the disk; it is gone afterwards."""
    deadline = time.perf_counter() + budget_s
    block = os.urandom(_BLOCK_BYTES)  # random, so that no file system compresses it
    with tempfile.TemporaryFile(prefix=".hasten-disk-", dir=folder, buffering=0) as file:
        written_bytes = 0
        while written_bytes == 0 or (written_bytes < file_bytes and time.perf_counter() < deadline):
            written_bytes += file.write(block)
            os.fsync(file.fileno())
        yield file.fileno(), written_bytes


def _clock(descriptor: int, run: Callable[[], object], calls: int) -> float:
    """Time one reading of the file, whatever `calls` says: it is slow enough, and must be dropped before each."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return host_clock(run, 1)


def _is_in_memory(folder: Path) -> bool:
    """Return whether the folder is of a file system that has no disk below it."""
    place = folder.resolve()
    mounted = [part for part in psutil.disk_partitions(all=True) if place.is_relative_to(part.mountpoint)]
    return bool(mounted) and max(mounted, key=lambda part: len(part.mountpoint)).fstype in ("tmpfs", "ramfs")
