"""Weights that cancel, by the graph of a loss.

Those of samples do where they meet a mean or sum over the samples; those of components where all have one likelihood.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import beyond_shapes, name_of, saved, shape_of, signed

FEWEST = 4
"""Samples; of fewer, the sizes may be equal by chance."""
_REDUCTIONS = ("Mean", "Sum")
_CRITERIA = ("NllLoss", "NllLoss2D", "MseLoss", "SmoothL1Loss", "HuberLoss", "BinaryCrossEntropy",
             "BinaryCrossEntropyWithLogits")  # fmt: skip


def cancelled(behind: Sequence[Any]) -> int:
    """Return how many weights that differ are multiplied with one number made of as many samples; 0 where none are.

    sum_i (w_i mean_j l_j) = (sum_i w_i) (mean_j l_j): the weight of a sample does not meet its own loss.
    """
    reduced = {following for node in behind if name_of(node) in _REDUCTIONS for following, _ in node.next_functions}
    for node in behind:
        if name_of(node) != "Mul" or node not in reduced:
            continue
        below = [one for one, _ in node.next_functions if one is not None]
        weights = _weights(node) if len(below) == 1 and shape_of(below[0]) in ((), (1,)) else None
        if weights is not None and _samples(below[0]) == weights.numel() >= FEWEST and _differ(weights):
            return weights.numel()
    return 0


def alike(behind: Sequence[Any]) -> int:
    """Return how many components of a mixture have one likelihood together, so that no weight counts; 0 where none.

    logsumexp_k(log w_k + l) = l, as the weights w of a softmax sum to 1.
    """
    for node in behind:
        below = node.next_functions[0][0] if name_of(node) == "Logsumexp" else None
        if below is None or name_of(below) != "Add" or len(node._saved_dim) != 1:
            continue
        rank = len(shape_of(below))
        place = _from_the_end(node._saved_dim[0], rank)
        parts = [one for one, _ in below.next_functions if one is not None]
        for one, other in (parts, parts[::-1]) if len(parts) == 2 else ():
            if (
                name_of(one) == "LogSoftmax"
                and shape_of(one) == shape_of(below)
                and _from_the_end(one._saved_dim, rank) == place
                and (1, *shape_of(other))[max(place, -len(shape_of(other)) - 1)] == 1
                and shape_of(one)[place] > 1
            ):
                return shape_of(one)[place]
    return 0


def _from_the_end(dim: int, rank: int) -> int:
    """Return a dimension counted from the end, where shapes are aligned."""
    return signed(dim) % rank - rank


def _weights(node: Any) -> Tensor | None:
    return saved(node, "other") if node.next_functions[0][0] is not None else saved(node, "self")


def _samples(node: Any) -> int:
    """Return over how many samples a number is a mean or sum; 0 where it is none."""
    node = beyond_shapes(node)
    while node is not None and name_of(node) == "Neg":
        node = beyond_shapes(node.next_functions[0][0])
    if node is None:
        return 0
    if name_of(node) in _REDUCTIONS:
        sizes = shape_of(node.next_functions[0][0])
        return sizes[0] if sizes else 0
    if name_of(node) in _CRITERIA and getattr(node, "_saved_reduction", 0):
        target = saved(node, "target")
        return len(target) if target is not None and target.ndim else 0
    return 0


def _differ(weights: Tensor) -> bool:
    return weights.is_floating_point() and bool((weights != weights.reshape(-1)[0]).any())
