"""The same work on many items by a few threads, for work that torch does not divide among threads by itself."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from hasten.data.loading.alone import compute_alone


def side_by_side(work: Callable[..., None], *items: Iterable[Any], threads: int) -> None:
    """Call `work` on each item (as `map` does) with so many threads; an error of one call is raised here.

    Args:
        work: must release Python's lock for most of its time, and write where no other call does.
        items: the arguments.
        threads: that work; with one, the calling thread does all of it.
    """
    if threads == 1:
        for arguments in zip(*items, strict=True):
            work(*arguments)
        return
    calls = list(zip(*items, strict=True))
    shares = (calls[start::threads] for start in range(threads))
    for _ in _pool(threads, os.getpid()).map(lambda share: [work(*arguments) for arguments in share], shares):
        pass


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return the threads of this process; a forked one inherits the object without its threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hasten-side", initializer=compute_alone)
