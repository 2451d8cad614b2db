"""How the functions of `quantize.py` are run: compiled where possible, in pieces, on kept memory.

A layer of a small model runs dozens of them in a millisecond, each on a cache that the products have emptied, where a
view of a tensor costs as much as 10 µs. So what is the same in every call is made once.
"""

import threading
from collections.abc import Callable
from functools import cache
from math import prod

import torch
from torch import Tensor

from hasten.techniques.forward.int8.quantize import KERNELS
from hasten.techniques.native import function

MOST_VIEWS = 1000
"""Of kept memory that are kept as well; batches of ever other lengths would make more without end."""
STRIP_ROWS = 1024
"""Rows handled at a time: few enough that what is written is still in the cache when it is read, enough that a product
of so many rows, and adding up what they give, costs no more for each row than one of all."""


@cache
def pieces(rows: int, at_most: int) -> tuple[int, ...]:
    """Return nearly equal lengths, none more than `at_most`, that add up to `rows`."""
    number = -(-rows // at_most)
    return tuple(rows * (piece + 1) // number - rows * piece // number for piece in range(number))


def run(kernel: Callable[..., None], *tensors: Tensor) -> None:
    """Run a function of `quantize.py`: compiled where there is a C++ compiler, as it stands there where there is none.

    Args:
        kernel: the function.
        tensors: its arguments, contiguous; the first one has the shape (R, C). It holds the values, or the last one
            the result that is of their dtype.
    """
    values = tensors[0]
    if values.dtype == torch.int32:
        values = tensors[-1]
    compiled = function(KERNELS, kernel.__name__, values.dtype, tensors=len(tensors), sizes=2)
    if compiled is None:
        kernel(*tensors)
        return
    assert all(tensor.is_contiguous() for tensor in tensors), kernel.__name__
    compiled(*[tensor.data_ptr() for tensor in tensors], *values.shape, torch.get_num_threads())


@cache
def ones(size: int) -> Tensor:
    """Return (1, size) ones, the same tensor in every call: nobody writes to it."""
    return torch.ones(1, size, dtype=torch.float32, device="cpu")


class _Kept(threading.local):
    def __init__(self) -> None:
        self.memory = dict[str, Tensor]()
        self.views = dict[tuple[str, tuple[int, ...]], Tensor]()


_kept = _Kept()


def scratch(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return memory of that shape whose content is undefined, the same for the same name in one thread.

    Fresh memory costs more than the work on it here: the kernel zeroes it page by page, 0.4 ms for each MiB.

    Args:
        name: of the memory; always with the same dtype.
        shape: of what is needed.
        dtype: of its elements.
    """
    view = _kept.views.get((name, shape))
    if view is None:
        size = prod(shape)
        memory = _kept.memory.get(name)
        if memory is None or memory.numel() < size:
            memory = _kept.memory[name] = torch.empty(size, dtype=dtype, device="cpu")
            _kept.views.clear()
        elif len(_kept.views) >= MOST_VIEWS:
            _kept.views.clear()
        view = _kept.views[name, shape] = memory[:size].view(shape)
    return view


def release_scratch() -> None:
    """Give back the memory that `scratch` keeps for this thread."""
    _kept.memory.clear()
    _kept.views.clear()
