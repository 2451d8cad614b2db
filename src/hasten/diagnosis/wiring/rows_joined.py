"""Whether the arguments of a model say which rows of its input belong together, as nodes of graphs, points of sets."""

from collections.abc import Sequence

import torch
from torch import Tensor

_FEWEST = 4  # rows


def rows_joined(given: Sequence[Tensor], rows: int) -> bool:
    """Return whether an argument joins rows of the input, so that they are meant to depend on each other.

    That is the neighbors of rows by their places, as the edges of graphs; a number for each pair of rows; or for each
    row the number of the set that it is part of, in order.

    Args:
        given: arguments of a model, of which the first is (rows, ...).
        rows: of the input.
    """
    return rows >= _FEWEST and any(_pairs(one, rows) or _places(one, rows) or _sets(one, rows) for one in given[1:])


def _pairs(tensor: Tensor, rows: int) -> bool:
    return tuple(tensor.shape) == (rows, rows)


def _places(tensor: Tensor, rows: int) -> bool:
    """Return whether a tensor, which has not one number for each row, names most of the rows by their places."""
    one_each = tuple(tensor.shape) == (rows,) or rows in tensor.shape[1:]
    if not _whole(tensor) or one_each or tensor.numel() < rows:
        return False
    low, high = int(tensor.min()), int(tensor.max())
    return low >= 0 and high < rows and 2 * len(tensor.unique()) > rows


def _sets(tensor: Tensor, rows: int) -> bool:
    """Return whether a tensor has the numbers 0, 1, 2, ... of sets for the rows, most of them several times."""
    if not _whole(tensor) or tuple(tensor.shape) != (rows,):
        return False
    steps = tensor.diff()
    return int(tensor[0]) == 0 and bool(((steps == 0) | (steps == 1)).all()) and 0 < 2 * int(tensor[-1]) < rows


def _whole(tensor: Tensor) -> bool:
    return (
        tensor.layout is torch.strided
        and tensor.ndim > 0
        and not (tensor.is_floating_point() or tensor.dtype is torch.bool)
    )
