"""Flags of samples that are taken for the numbers of samples, by the graph of a loss."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hasten.diagnosis.watching.loss_graph import name_of, saved_indices

FEWEST = 16
"""Flags; of fewer, indices may be 0 and 1 by chance."""


def flags_for_indices(behind: Sequence[Any]) -> int:
    """Return how many whole numbers, all 0 or 1, pick rows of as many; 0 where none do."""
    for node in behind:
        if name_of(node) != "Index":
            continue
        sizes = node._saved_self_sym_sizes
        indices = saved_indices(node)
        given = [(size, one) for size, one in zip(sizes, indices, strict=False) if isinstance(one, Tensor)]
        if len(given) == 1 and _are_flags(given[0][1], int(given[0][0])):
            return len(given[0][1])
    return 0


def _are_flags(indices: Tensor, rows: int) -> bool:
    if indices.dtype not in (torch.int64, torch.int32) or indices.shape != (rows,) or rows < FEWEST:
        return False
    return (int(indices.min()), int(indices.max())) == (0, 1)
