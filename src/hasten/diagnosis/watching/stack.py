"""The functions of a person that are under way, and the numbers that they have names for."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any
from weakref import ProxyTypes

import numpy as np
import torch
from torch import Tensor

from hasten.diagnosis.watching.source import attributes, names_in, persons_frames

_PLAIN = ("torch", "builtins", "numpy")
"""Modules whose objects are not looked into."""
_NAMES = 2000
"""Variables that are looked at."""


def variables() -> list[tuple[str, Any]]:
    """Return the variables of the functions under way, and what is in those that are objects or have names inside."""
    found: list[tuple[str, Any]] = []
    for frame in persons_frames():
        for name, value in names_in(frame).maps[0].items():
            found.append((name, value))
            found += [(inner, one) for inner, one in _inside(value) if isinstance(inner, str)]
            if len(found) > _NAMES:
                return found
    return found


@lru_cache(maxsize=4096)
def words(name: str) -> frozenset[str]:
    """Return the words of a name in lower case: "b_Rewards" has "b" and "rewards"."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    return frozenset(one for one in re.split(r"[^a-z]+", spaced.lower()) if one)


def numbers(value: Any, count: int) -> Tensor | None:
    """Return the numbers of a tensor, array or list as (count,) in float64; None where it has not so many."""
    if isinstance(value, Tensor):
        fits = value.numel() == count and not value.is_complex() and value.layout is torch.strided
        return value.detach().reshape(-1).double().cpu() if fits else None
    if isinstance(value, np.ndarray):
        fits = value.size == count and value.dtype.kind in "fiub"
        return torch.from_numpy(value.reshape(-1).astype(np.float64)) if fits else None
    if isinstance(value, list | tuple) and len(value) == count and all(_is_number(one) for one in value):
        return torch.tensor([float(one) for one in value], dtype=torch.float64)
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor | np.ndarray):
        return value.size == 1 if isinstance(value, np.ndarray) else value.numel() == 1 and not value.is_complex()
    return isinstance(value, bool | int | float | np.number)


def _inside(value: Any) -> Sequence[tuple[Any, Any]]:
    """Return the named values of a dictionary, a named tuple, or an object of a person's own class."""
    if isinstance(value, Mapping):
        return list(value.items()) if type(value) is dict else ()
    if isinstance(value, tuple):
        return list(zip(getattr(value, "_fields", ()), value, strict=False))
    own = not isinstance(value, type | Tensor | ModuleType) and not str(type(value).__module__).startswith(_PLAIN)
    return [(name, one) for name, one in attributes(value).items() if type(one) not in ProxyTypes] if own else ()
