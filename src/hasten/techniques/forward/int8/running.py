"""How the elementwise functions of `quantise.py` are run: compiled where possible, in pieces, on kept memory."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from math import prod
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from hasten.machine.facts import compiler_path

STRIP_ROWS = 1024
"""Rows handled at a time: few enough that what is written is still in the cache when it is read, enough that a product
of so many rows, and adding up what they give, costs no more for each row than one of all."""


@cache
def compiles() -> bool:
    """Return whether the elementwise functions are compiled in this process."""
    return compiler_path() is not None


def pieces(rows: int, at_most: int) -> list[slice]:
    """Return slices of nearly equal length, none longer than `at_most`, that cover `rows`."""
    number = -(-rows // at_most)
    edges = [rows * piece // number for piece in range(number + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


def run(kernel: Callable[..., None], **tensors: Tensor) -> None:
    """Run a function that writes into some of its tensors, compiled where there is a C++ compiler."""
    # Detached: compiled code would otherwise get a variant for views and one for parameters.
    alone = {name: tensor.detach() for name, tensor in tensors.items()}
    _runnable(kernel, tuple(tensor.dtype for tensor in tensors.values()))(**alone)


@cache
def _runnable(kernel: Callable[..., None], formats: tuple[torch.dtype, ...]) -> Callable[..., None]:
    if not compiles():
        return kernel
    # torch.compile keeps at most 8 variants for one code object and then falls back. Each set of dtypes gets a
    # code object of its own, so that the few variants by shape (a dimension of 1, two equal ones) always fit.
    assert isinstance(kernel, FunctionType)
    name = "_".join([kernel.__name__, *(str(one).removeprefix("torch.") for one in formats)])
    own = FunctionType(kernel.__code__.replace(co_name=name), kernel.__globals__, name)
    own.__kwdefaults__ = kernel.__kwdefaults__
    compiled: Any = torch.compile(own, dynamic=True)
    return compiled


@contextmanager
def plain() -> Generator[None]:
    """Run the body without autograd and autocast, whatever is on around it."""
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        yield


class _Kept(threading.local):
    def __init__(self) -> None:
        self.memory = dict[tuple[str, torch.dtype], Tensor]()


_kept = _Kept()


def scratch(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return memory of that shape whose content is undefined, the same for the same name in one thread.

    Fresh memory costs more than the work on it here: the kernel zeroes it page by page, 0.4 ms for each MiB.
    """
    size = prod(shape)
    memory = _kept.memory.get((name, dtype))
    if memory is None or memory.numel() < size:
        memory = _kept.memory[name, dtype] = torch.empty(size, dtype=dtype, device="cpu")
    return memory[:size].view(shape)


def release_scratch() -> None:
    """Give back the memory that `scratch` keeps for this thread."""
    _kept.memory.clear()
