"""Copies of this process that compute meanwhile, as the other processes of a layout do on a CPU's other cores."""

import os
import select
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from hasten.base.errors import BadInput
from hasten.tuning.forking import forked

START_S = 60.0
"""Seconds that a copy may take for its first work."""


@contextmanager
def company(work: Callable[[], object], copies: int) -> Generator[None]:
    """Let copies of this process do some work again and again, each on one thread.

    The cores of a CPU share its memory, its last cache and its clock, so that a step takes longer while other cores
    compute. What the copies write stays in them. They end with this process.

    Args:
        work: done once by each copy before the body begins.
        copies: so many; the memory for them must be there.

    Raises:
        BadInput: if one ended before it had done the work once, or did not do it within a minute.
    """
    readers = dict[int, int]()
    try:
        for _ in range(copies):
            reader, writer = os.pipe()
            child = forked(lambda writer=writer: _work_until_killed(work, writer))
            os.close(writer)
            readers[child] = reader
        until_s = time.monotonic() + START_S
        at_it = sum(_is_at_it(reader, until_s) for reader in readers.values())
        if at_it < copies:
            raise BadInput(
                f"{copies - at_it} of {copies} copies of this process made no step beside it, as where memory is "
                "short. Close other programs, or plan for fewer devices."
            )
        yield
    finally:
        for child, reader in readers.items():
            os.close(reader)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _is_at_it(reader: int, until_s: float) -> bool:
    """Return whether a copy has done its work once; one that has ended has closed the pipe, and nothing is read."""
    ready, _, _ = select.select([reader], [], [], max(0.0, until_s - time.monotonic()))
    return bool(ready) and bool(os.read(reader, 1))


def _work_until_killed(work: Callable[[], object], writer: int) -> None:
    """Do the work until this copy is killed or its parent is gone."""
    parent = os.getppid()
    work()
    os.write(writer, b"1")
    while os.getppid() == parent:
        work()
