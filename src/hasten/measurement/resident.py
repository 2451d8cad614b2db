"""Peak memory of a callable as the operating system sees it: the pages of the whole process."""

import ctypes
import gc
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from hasten.base.records.profile import MemoryPeak

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = b"5"  # proc(5): "reset the peak resident set size"
_SAMPLE_S = 0.001


def rss_peak(run: Callable[[], object]) -> MemoryPeak:
    """Return the most memory of this process that was resident at one moment of `run()`.

    It sees what `peak_memory` cannot: compiled code, scratch memory of libraries, Python's own objects; and it is as
    noisy as the process is busy. On Linux the kernel keeps the peak itself, so no peak is too short; elsewhere a thread
    looks every millisecond, and `device` says so. Memory of other processes (loader workers) is not counted.

    Args:
        run: called once.
    """
    gc.collect()
    give_free_memory_back()
    if not _reset_kernel_peak():
        return _sampled_peak(run)
    before = _status_bytes("VmRSS")
    run()
    return MemoryPeak(peak_bytes=_status_bytes("VmHWM"), resident_bytes=before, by_origin={}, device="process")


def _reset_kernel_peak() -> bool:
    try:
        _CLEAR.write_bytes(_RESET_PEAK)
    except OSError:  # not Linux, or a sandbox that forbids it
        return False
    return True


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"{_STATUS} has no line {field}")


def give_free_memory_back() -> None:
    """Make glibc return what it holds in reserve, so that the run's own allocations show as new pages."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _sampled_peak(run: Callable[[], object]) -> MemoryPeak:
    process = psutil.Process()
    before = highest = process.memory_info().rss
    done = threading.Event()

    def sample() -> None:
        nonlocal highest
        while not done.wait(_SAMPLE_S):
            highest = max(highest, process.memory_info().rss)

    sampler = threading.Thread(target=sample, name="rss-sampler", daemon=True)
    sampler.start()
    try:
        run()
    finally:
        highest = max(highest, process.memory_info().rss)
        done.set()
        sampler.join()
    return MemoryPeak(
        peak_bytes=highest, resident_bytes=before, by_origin={}, device=f"process, sampled every {_SAMPLE_S * 1e3:g} ms"
    )
