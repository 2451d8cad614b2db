"""How the functions of `quantise.py` are run: compiled where possible, in pieces, on kept memory."""

import ctypes
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from inspect import signature
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from hasten.techniques.forward.int8 import native

STRIP_ROWS = 1024
"""Rows handled at a time: few enough that what is written is still in the cache when it is read, enough that a product
of so many rows, and adding up what they give, costs no more for each row than one of all."""


def pieces(rows: int, at_most: int) -> list[slice]:
    """Return slices of nearly equal length, none longer than `at_most`, that cover `rows`."""
    number = -(-rows // at_most)
    edges = [rows * piece // number for piece in range(number + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


def run(kernel: Callable[..., None], **tensors: Tensor) -> None:
    """Run a function of `quantise.py`: compiled where there is a C++ compiler, as it stands there where there is none.

    Args:
        kernel: the function.
        tensors: its arguments, contiguous; the first one has the shape (R, C).
    """
    compiled = native.library(tensors["values" if "values" in tensors else "out"].dtype)
    if compiled is None:
        kernel(**tensors)
        return
    assert all(tensor.is_contiguous() for tensor in tensors.values()), kernel.__name__
    R, C = next(iter(tensors.values())).shape
    places = [ctypes.c_void_p(tensors[name].data_ptr()) for name in _names(kernel)]
    getattr(compiled, kernel.__name__)(*places, ctypes.c_long(R), ctypes.c_long(C), torch.get_num_threads())


@cache
def _names(kernel: Callable[..., None]) -> tuple[str, ...]:
    return tuple(signature(kernel).parameters)


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
