"""Whether the loss of a batch is the weighted mean of the losses of its parts.

Only then may a batch be split into micro-batches, and does the mean validation loss not depend on the batch size. A
contrastive loss over the batch, or a mean over masked positions that is taken per batch, is not additive.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from hasten.data.batch import Batch, size_of
from hasten.training.loss import LossFunction

TOLERANCE = 1e-3
"""Relative difference that still counts as rounding; a loss that is not additive is usually off by far more."""
_ROWS = 8


def is_additive(loss: LossFunction, output: Any, batch: Batch) -> bool | None:
    """Return whether the loss of the samples equals that of its parts, each weighted by its count.

    The samples are split into halves and into single samples. Samples that are all alike prove nothing: give several,
    with different targets.

    Args:
        loss: of the task.
        output: the model's for the batch; samples along the first dimension of its tensors.
        batch: at least two samples, the target last.

    Returns:
        None if it cannot be said: fewer than two samples, an output without a sample dimension, or a loss that is not
        finite for the whole batch.
    """
    size = size_of(batch)
    if size < 2 or not has_samples(output, size):
        return None
    with torch.no_grad():
        whole = loss(output, batch)
        if not bool(whole.sum.isfinite()):
            return None
        return all(_agrees(loss, output, batch, whole.sum, float(whole.count), part) for part in {1, -(-size // 2)})


def _agrees(loss: LossFunction, output: Any, batch: Batch, total: Tensor, count: float, part: int) -> bool:
    summed, counted = 0.0, 0.0
    for start in range(0, size_of(batch), part):
        rows = slice(start, start + part)
        try:
            one = loss(rows_of(output, rows), rows_of(batch, rows))
        except (RuntimeError, ValueError, IndexError, ZeroDivisionError):
            return False  # it needs more samples than this part has
        summed, counted = summed + float(one.sum), counted + float(one.count)
    scale = max(abs(float(total)), abs(summed), 1e-6 * max(count, 1.0))
    return abs(counted - count) <= TOLERANCE * max(count, 1.0) and abs(summed - float(total)) <= TOLERANCE * scale


def has_samples(output: Any, size: int) -> bool:
    """Return whether every tensor of an output has one row per sample."""
    leaves = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    return bool(leaves) and all(leaf.ndim > 0 and len(leaf) == size for leaf in leaves)


def rows_of(value: Any, rows: slice | Tensor) -> Any:
    """Return some samples of an output or a batch: the same structure with the rows of each tensor."""
    return tree_map(lambda leaf: leaf[rows] if isinstance(leaf, Tensor) and leaf.ndim else leaf, value)
