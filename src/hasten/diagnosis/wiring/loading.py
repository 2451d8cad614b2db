"""Whether the workers of a loader draw random numbers of their own."""

import random
from collections.abc import Iterator
from inspect import isfunction
from typing import Any

import numpy as np
import torch

from hasten.diagnosis.watching.events import NEVER, Collector

_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)
_DEPTH = 3


class LoadingCollector(Collector):
    """Looks once at the data set behind each loader with several workers."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self.copied: list[str] = []  # generators that every worker has a copy of

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: the first batch of a loader is watched."""
        return NEVER

    def fetched(self, batch: Any, loader: Any) -> None:
        """Look for generators in the data set."""
        data = getattr(loader, "_dataset", None)
        if data is None or id(data) in self._known or len(self._known) > 100:
            return
        self._known.add(id(data))
        if getattr(loader, "_num_workers", 0) > 1 and getattr(loader, "_worker_init_fn", None) is None:
            self.copied += list(dict.fromkeys(_drawing(data, _DEPTH)))


def _drawing(owner: Any, depth: int) -> Iterator[str]:
    """Yield the generators that an object, or one that it has, draws from after it was made."""
    kind = type(owner)
    functions = [one for one in vars(kind).values() if isfunction(one) and one.__name__ != "__init__"]
    used = {name for one in functions for name in one.__code__.co_names}
    if "get_worker_info" in used:
        return
    for one in functions:
        for name in one.__code__.co_names:
            if isinstance(one.__globals__.get(name), _GENERATORS):
                yield name
    for name, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, _GENERATORS):
            if name in used:
                yield f"{kind.__name__}.{name}"
        elif depth and not isinstance(value, (torch.Tensor, np.ndarray, str, bytes)):
            inside = list(value)[:10] if isinstance(value, (list, tuple)) else [value]
            for part in inside:
                if hasattr(part, "__dict__"):
                    yield from _drawing(part, depth - 1)
