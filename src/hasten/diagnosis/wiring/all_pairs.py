"""Weights of samples that meet the losses of all samples, by the graph of a loss."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import beyond_shapes, name_of, nodes, saved, saved_indices, shape_of
from hasten.diagnosis.wiring.scale import factor

FEWEST = 4
"""Samples of a batch; of fewer, equal sizes may be chance."""
_NEAR = 15  # nodes from the loss
_ROUNDING = 1e-3  # of the largest number of a table


def all_pairs(losses: Sequence[Tensor]) -> int:
    """Return the samples of a batch of which every one meets every weight or label near the loss, 0 where none does.

    A product of (N,) and (N, 1), of which one has no gradient, is (N, N); so are log-probabilities `p[:, labels]`, the
    differences of a quantile loss, and the weights themselves, where they are returns of (N,) less values of (N, 1).
    """
    for node, distance in nodes(losses):
        if distance > _NEAR:
            break
        shape = shape_of(node)
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] < FEWEST:
            continue
        if name_of(node) == "Mul" and _is_broadcast(node, shape[0]):
            return shape[0]
        if name_of(node) in ("Maximum", "Where") and _is_of_differences(node, shape[0]):
            return shape[0]
        if name_of(node) == "Index" and _is_column_for_each(node, shape[0]):
            return shape[0]
    return 0


def _is_broadcast(node: Any, count: int) -> bool:
    """Return whether a product is of (count,) and (count, 1), of which one has no gradient, or a table of both."""
    factor, place = saved(node, "other"), 0
    if node.next_functions[0][0] is None:
        factor, place = saved(node, "self"), 1
    below = node.next_functions[place][0] if len(node.next_functions) > place else None
    if factor is None or below is None or (place == 0 and node.next_functions[1][0] is not None):
        return False
    shapes = tuple(factor.shape), shape_of(below)
    if shapes[0] == (count, count):
        return shapes[1] in ((count,), (count, 1)) and is_difference_of_all(factor)
    return set(shapes) == {(count,), (count, 1)}


def is_difference_of_all(table: Tensor) -> bool:
    """Return whether a square table holds the differences of each of some numbers and each of others.

    Without the means of its rows and columns nothing is left of it then. Differences of numbers among themselves, which
    change their sign where rows and columns are exchanged, are meant: they rank.
    """
    values = table.double()
    rows, columns = values.mean(1, keepdim=True), values.mean(0, keepdim=True)
    size = float(values.abs().max())

    def is_nothing(numbers: Tensor) -> bool:
        return float(numbers.abs().max()) <= _ROUNDING * size

    parts = rows - rows.mean(), columns - columns.mean(), values + values.T
    return not any(is_nothing(one) for one in parts) and is_nothing(values - rows - columns + values.mean())


def _is_of_differences(node: Any, count: int) -> bool:
    """Return whether the larger of two multiples is one of differences of (count,) and (count, 1), as for a quantile.

    One side of the differences has no gradient. Two multiples of the same differences by numbers are no kernel, for
    which all pairs would be meant.
    """
    parts = [one for one, _ in node.next_functions]
    if len(parts) != 2 or any(one is None or factor(one) is None for one in parts):
        return False
    below = [next(inner for inner, _ in one.next_functions if inner is not None) for one in parts]
    if below[0] is not below[1] or name_of(below[0]) not in ("Sub", "Rsub"):
        return False
    sides = [one for one, _ in below[0].next_functions if one is not None]
    return len(sides) == 1 and shape_of(sides[0]) in ((count,), (count, 1))


def _is_column_for_each(node: Any, count: int) -> bool:
    """Return whether log-probabilities are picked by one list of labels in all rows."""
    given = tuple(int(size) for size in getattr(node, "_saved_self_sym_sizes", ()))
    below = beyond_shapes(node.next_functions[0][0])
    picked = [one for one in saved_indices(node) if isinstance(one, Tensor)]
    alone = len(picked) == 1 and tuple(picked[0].shape) == (count,) and picked[0].is_floating_point() is False
    return (
        alone
        and len(given) == 2
        and given[0] == count
        and given[1] != count
        and below is not None
        and name_of(below) == "LogSoftmax"
    )
