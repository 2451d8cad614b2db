"""The same work on many items by a few threads that meet once, at the end.

Torch divides each of its operations among threads that meet after every one of them. Of many short operations most of
the time would go there, and with a core that is busy elsewhere nearly all of it.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from hasten.data.loading.alone import compute_alone


def side_by_side(work: Callable[..., object], *items: Iterable[Any], threads: int) -> None:
    """Call `work` on each item (as `map` does) with so many threads; an error of one call is raised here.

    Args:
        work: must release Python's lock for most of its time, and write where no other call does.
        items: the arguments.
        threads: that work; with one, or for one item, the calling thread does all of it.
    """
    calls = list(zip(*items, strict=True))
    if threads == 1 or len(calls) < 2:
        for arguments in calls:
            work(*arguments)
        return
    shares = (calls[start::threads] for start in range(threads))
    for _ in _pool(threads, os.getpid()).map(lambda share: [work(*arguments) for arguments in share], shares):
        pass


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return the threads of this process; a forked one inherits the object without its threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hasten-side", initializer=compute_alone)
