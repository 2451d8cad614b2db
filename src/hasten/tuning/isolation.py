"""Work that may hang, crash or use up the memory, tried in a process of its own first."""

import os
import select
import signal
import time
from collections.abc import Callable

from hasten.base.errors import error_text
from hasten.base.units import seconds
from hasten.training.technique import Technique
from hasten.tuning.forking import forked

_NO_MEMORY = ("not enough memory", "out of memory", "cannot allocate memory")


def is_foreign(one: Technique) -> bool:
    """Return whether a technique is not hasten's own."""
    return not type(one).__module__.startswith("hasten.")


def why_infeasible(work: Callable[[], object], *, limit_s: float) -> str | None:
    """Do some work in a copy of this process, and return why it cannot be done here, or None.

    Errors that Python can catch are no reason, but for missing memory: the work raises them here, too.

    Args:
        work: to do.
        limit_s: seconds after which the copy is ended.
    """
    reader, writer = os.pipe()
    child = forked(lambda: _done(work, writer))
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


def _done(work: Callable[[], object], writer: int) -> None:
    """Do the work, and say whether memory was missing."""
    try:
        work()
    except MemoryError as error:
        os.write(writer, error_text(error).encode())
    except Exception as error:  # noqa: BLE001  (raised again where the work is done)
        if any(words in str(error).lower() for words in _NO_MEMORY):
            os.write(writer, error_text(error).encode())
