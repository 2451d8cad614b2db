"""What a loss was multiplied with at last, and whether it is a mean over its samples."""

from itertools import takewhile
from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import name_of, nodes

_MEAN, _SUM = 1, 2  # numbers of torch for `reduction`
_NEAR = 12
"""Nodes from the loss on within which its reduction is looked for."""
_LAST = 3
"""Nodes from the loss on that tell different losses apart."""


def factors(loss: Tensor) -> list[float]:
    """Return the numbers that a loss was multiplied with at last, the outermost first; a division counts as 1 / n."""
    found: list[float] = []
    node = loss.grad_fn
    while node is not None:
        number = factor(node)
        if number is not None:
            found.append(number)
        elif name_of(node) not in ("View", "Squeeze", "Unsqueeze", "ReshapeAlias"):
            break
        node = next((one for one, _ in node.next_functions if one is not None), None)
    return found


def factor(node: Any) -> float | None:
    """Return the number that a node multiplies with; None for a node that does something else."""
    kind = name_of(node)
    inputs = [one for one, _ in node.next_functions]
    if kind not in ("Mul", "Div") or sum(one is not None for one in inputs) != 1:
        return None
    number = _number(node, "_saved_other", "_saved_self")
    if number is None or kind == "Mul":
        return number
    return 1 / number if inputs[0] is not None and number else None


def is_mean(loss: Tensor) -> bool | None:
    """Return whether a loss is a mean; False for a sum, None where neither is seen."""
    for node, distance in nodes([loss]):
        if distance > _NEAR:
            break
        reduction = getattr(node, "_saved_reduction", None)
        if reduction in (_MEAN, _SUM):
            return reduction == _MEAN
        if name_of(node) in ("Mean", "Sum"):
            return name_of(node) == "Mean"
    return None


def last_functions(loss: Tensor) -> tuple[str, ...]:
    """Return the names of the functions that made a loss, from the last one on."""
    return tuple(name_of(node) for node, _ in takewhile(lambda one: one[1] <= _LAST, nodes([loss])))


def _number(node: Any, *names: str) -> float | None:
    for name in names:
        try:
            value = getattr(node, name, None)
        except RuntimeError:  # it was freed by a backward pass
            return None
        if value is not None and (not isinstance(value, Tensor) or value.numel() == 1):
            return float(value)
    return None
