"""A copy of this process that does some work and ends."""

import faulthandler
import os
import signal
import warnings
from collections.abc import Callable

import torch


def can_fork(*, on_host: bool) -> bool:
    """Return whether a process can be started from this one: a GPU cannot be used in a copy of a process."""
    return on_host and hasattr(os, "fork")


def forked(work: Callable[[], object]) -> int:
    """Start a copy of this process that does some work and ends, and return its number; the caller waits for it.

    The copy computes on one thread, its output is dropped, signals end it, and where memory is short, the kernel ends
    it before this process. Its exit code is 1 if the work raised.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the copy does not use what other threads hold
        child = os.fork()
    if child == 0:
        _work_and_leave(work)
    return child


def _work_and_leave(work: Callable[[], object]) -> None:
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        faulthandler.disable()
        _end_first_where_memory_is_short()
        torch.set_num_threads(1)
        work()
    except BaseException:  # noqa: BLE001  (the exit code says so)
        os._exit(1)
    os._exit(0)


def _end_first_where_memory_is_short() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # another system; the limit is what it is
