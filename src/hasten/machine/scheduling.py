"""How long the threads of this process waited for a core: the sign of a disturbed reading."""

from pathlib import Path

_TASKS = Path("/proc/self/task")


def waited_for_core_s() -> float:
    """Return the seconds that all living threads of this process have waited for a core since they began.

    Source: the second number of Linux's /proc/<pid>/task/<tid>/schedstat (run delay). Elsewhere, or in a kernel built
    without it, 0 is returned and a disturbance shows only in the spread of the readings.
    """
    waited_ns = 0
    for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
        try:
            waited_ns += int((task / "schedstat").read_bytes().split()[1])
        except (FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile, or the kernel does not count
            continue
    return waited_ns * 1e-9
