"""How long the threads of a process waited for a core: the sign of a disturbed reading."""

from pathlib import Path

_PROCESSES = Path("/proc")


def waited_for_core_s(process: int | None = None) -> float:
    """Return the seconds that all living threads of a process have waited for a core since they began.

    Args:
        process: its number; None for this process. One that has ended has waited 0 s.

    Source: the second number of Linux's /proc/<pid>/task/<tid>/schedstat (run delay). Elsewhere, or in a kernel built
    without it, 0 is returned and a disturbance shows only in the spread of the readings.
    """
    waited_ns = 0
    tasks = _PROCESSES / ("self" if process is None else str(process)) / "task"
    for task in tasks.iterdir() if tasks.is_dir() else ():
        try:
            waited_ns += int((task / "schedstat").read_bytes().split()[1])
        except (FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile, or the kernel does not count
            continue
    return waited_ns * 1e-9
