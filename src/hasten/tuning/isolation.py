"""Work that may hang, crash or use up the memory, tried in a process of its own first."""

import faulthandler
import os
import select
import signal
import time
import warnings
from collections.abc import Callable

import torch

from hasten.base.errors import error_text
from hasten.base.units import seconds
from hasten.training.technique import Technique

_NO_MEMORY = ("not enough memory", "out of memory", "cannot allocate memory")


def can_isolate(*, on_host: bool) -> bool:
    """Return whether a process can be started from this one: a GPU cannot be used in a copy of a process."""
    return on_host and hasattr(os, "fork")


def is_foreign(one: Technique) -> bool:
    """Return whether a technique is not hasten's own."""
    return not type(one).__module__.startswith("hasten.")


def why_infeasible(work: Callable[[], object], *, limit_s: float) -> str | None:
    """Do some work in a copy of this process, and return why it cannot be done here, or None.

    Errors that Python can catch are no reason, but for missing memory: the work raises them here, too. The copy
    computes on one thread, its output is dropped, and where memory is short, the kernel ends it before this process.

    Args:
        work: to do.
        limit_s: seconds after which the copy is ended.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the copy does not use what other threads hold
        child = os.fork()
    if child == 0:
        _do_and_leave(work, writer)
    os.close(writer)
    ended = False
    try:
        said, ended = _read(reader, time.monotonic() + limit_s)
    finally:
        os.close(reader)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not ended:
        return f"it did not finish within {seconds(limit_s)}"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        short = ", as where memory is short" if number == signal.SIGKILL else ""
        return f"the process crashed ({signal.Signals(number).name}{short})"
    if os.WEXITSTATUS(status):
        return f"the process ended itself with code {os.WEXITSTATUS(status)}"
    return said or None


def _read(reader: int, until_s: float) -> tuple[str, bool]:
    """Return what comes through a pipe, and whether it was closed in time."""
    said = b""
    while (left_s := until_s - time.monotonic()) > 0:
        if select.select([reader], [], [], left_s)[0]:
            part = os.read(reader, 4096)
            if not part:
                return said.decode(errors="replace"), True
            said += part
    return "", False


def _do_and_leave(work: Callable[[], object], writer: int) -> None:
    """Do the work in the copy, say whether memory was missing, and end it."""
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
    except MemoryError as error:
        os.write(writer, error_text(error).encode())
    except Exception as error:  # noqa: BLE001  (raised again where the work is done)
        if any(words in str(error).lower() for words in _NO_MEMORY):
            os.write(writer, error_text(error).encode())
    except BaseException:  # noqa: BLE001
        os._exit(1)
    os._exit(0)


def _end_first_where_memory_is_short() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # another system; the limit is what it is
