"""What a loss was multiplied with at last, and whether it is a mean over its samples."""

from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import nodes

_MEAN, _SUM = 1, 2  # numbers of torch for `reduction`
_NEAR = 12
"""Nodes from the loss on within which its reduction is looked for."""


def factors(loss: Tensor) -> list[float]:
    """Return the numbers that a loss was multiplied with at last, the outermost first; a division counts as 1 / n."""
    found: list[float] = []
    node = loss.grad_fn
    while node is not None:
        kind = node.name()
        if kind in ("MulBackward0", "DivBackward0"):
            inputs = [one for one, _ in node.next_functions]
            number = _number(node, "_saved_other", "_saved_self")
            if number is None or sum(one is not None for one in inputs) != 1:
                break
            if kind == "DivBackward0":
                if inputs[0] is None or number == 0:
                    break
                number = 1 / number
            found.append(number)
        elif kind not in ("ViewBackward0", "SqueezeBackward0", "UnsqueezeBackward0", "ReshapeAliasBackward0"):
            break
        node = next((one for one, _ in node.next_functions if one is not None), None)
    return found


def is_mean(loss: Tensor) -> bool | None:
    """Return whether a loss is a mean; False for a sum, None where neither is seen."""
    for node, distance in nodes([loss]):
        if distance > _NEAR:
            break
        reduction = getattr(node, "_saved_reduction", None)
        if reduction in (_MEAN, _SUM):
            return reduction == _MEAN
        if node.name() == "MeanBackward0":
            return True
        if node.name() == "SumBackward0":
            return False
    return None


def _number(node: Any, *names: str) -> float | None:
    for name in names:
        try:
            value = getattr(node, name, None)
        except RuntimeError:  # it was freed by a backward pass
            return None
        if value is not None and (not isinstance(value, Tensor) or value.numel() == 1):
            return float(value)
    return None
