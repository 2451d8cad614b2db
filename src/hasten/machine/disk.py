"""How fast a file that is not held in memory is read."""

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hasten.base.records.machine import Peak
from hasten.base.units import nbytes
from hasten.machine.readings import Reading, host_clock, read, summarise

_BLOCK_BYTES = 4 << 20
_ROOM = 4  # so many times the file's size must be free
_WRITING_SHARE = 0.5  # of the budget; the file ends where this ends


def measure_disk(folder: Path, *, file_bytes: int, budget_s: float) -> tuple[Peak | None, str]:
    """Return the rate of reading a file from front to back in `folder`, or None; and a remark, or "".

    A file of random bytes is written, flushed to the disk, and read a few times; before each reading the system is told
    to drop it from memory. Where it cannot be told, or keeps the file in memory all the same, nothing is measured.

    Args:
        folder: where the data would be; made if missing, and no file stays in it.
        file_bytes: size of the file; less is written if that takes more than half of the budget.
        budget_s: seconds for it all.
    """
    if not hasattr(os, "posix_fadvise"):
        return None, "disk reading was not measured: this system cannot be told to drop a file from memory"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < _ROOM * file_bytes:
            return None, f"disk reading was not measured: only {nbytes(free_bytes)} are free in {folder}"
        started = time.perf_counter()
        with _file_on_disk(folder, file_bytes, _WRITING_SHARE * budget_s) as (descriptor, written_bytes):
            if _stays_in_memory(descriptor):
                return None, f"disk reading was not measured: {folder} is held in memory"
            return _peak(descriptor, written_bytes, deadline=started + budget_s), ""
    except OSError as error:
        return None, f"disk reading was not measured: {folder} cannot be used ({error.strerror})"


def _peak(descriptor: int, file_bytes: int, *, deadline: float) -> Peak:
    readings: list[Reading] = []
    while len(readings) < 2 or (time.perf_counter() < deadline and not summarise(readings).stable):
        _drop(descriptor)
        readings.append(read(partial(_read_through, descriptor), host_clock, 1))
    timing = summarise(readings)
    return Peak(
        kind="disk",
        format="",
        backend="",
        size=(file_bytes,),
        rate=file_bytes / timing.seconds,
        spread=timing.spread,
        stable=timing.stable,
        variant="read",
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
    block = os.urandom(_BLOCK_BYTES)  # random, so that no file system stores it in less
    with tempfile.TemporaryFile(prefix=".hasten-disk-", dir=folder, buffering=0) as file:
        written_bytes = 0
        while written_bytes == 0 or (written_bytes < file_bytes and time.perf_counter() < deadline):
            written_bytes += file.write(block)
            os.fsync(file.fileno())
        yield file.fileno(), written_bytes


def _drop(descriptor: int) -> None:
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _stays_in_memory(descriptor: int) -> bool:
    """Return whether the file can be read without waiting for a disk just after it was dropped from memory."""
    _drop(descriptor)
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except OSError:  # it would have to wait (EAGAIN), or the file system cannot tell (EOPNOTSUPP)
        return False
