"""What the graph of a loss tells of hidden layers: a softmax between them, a narrow one, tiny batch norms."""

from collections.abc import Sequence
from typing import Any

from hasten.diagnosis.watching.loss_graph import beyond_shapes, dropped, name_of, saved, shape_of
from hasten.diagnosis.wiring.layers import PRODUCTS, weight_of

_BIASED = ("Addmm", "Linear", "Convolution")
"""Layers; a product without a bias may be a table that a softmax picks from."""
_ALONG = 6  # nodes between two layers: activation, dropout, norm, views
_NORMS = ("NativeBatchNorm", "CudnnBatchNorm")
_CLASSES = 3  # fewer need one number only


def softmax_between(behind: Sequence[Any]) -> int:
    """Return over how many units a softmax runs whose input is one layer and whose output enters another, else 0."""
    for node in behind:
        if name_of(node) not in _BIASED or weight_of(node) is None:
            continue
        below = _input(node)
        for _ in range(_ALONG):
            below = beyond_shapes(below)
            if below is None or not dropped(below):
                break
            below = _first(below)
        if below is None or name_of(below) not in ("Softmax", "LogSoftmax"):
            continue
        feed = beyond_shapes(_first(below))
        if feed is not None and name_of(feed) in PRODUCTS and weight_of(feed) is not None:
            return shape_of(below)[-1 if name_of(node) != "Convolution" else 1]
    return 0


def narrowest(behind: Sequence[Any]) -> tuple[int, int] | None:
    """Return the units of the narrowest hidden layer that all data pass, and the classes; None without both.

    Layers are followed from the cross-entropy to the data as long as each has a single input.
    """
    entropy = next((node for node in behind if name_of(node) == "LogSoftmax"), None)
    top = None if entropy is None else beyond_shapes(_first(entropy))
    if top is None or name_of(top) not in _BIASED or len(shape_of(top)) != 2:
        return None
    widths, classes = list[int](), shape_of(top)[1]
    node = _input(top)
    for _ in range(len(behind)):
        if node is None or hasattr(node, "variable"):
            break
        if name_of(node) in PRODUCTS:
            if weight_of(node) is None or len(shape_of(node)) != 2:
                break
            widths.append(shape_of(node)[1])
            node = _input(node)
        else:
            inputs = [one for one, _ in node.next_functions if one is not None and not hasattr(one, "variable")]
            if len(inputs) != 1:
                break
            node = inputs[0]
    return (min(widths), classes) if widths and classes >= _CLASSES else None


def norm_numbers(behind: Sequence[Any]) -> int | None:
    """Return of how many numbers the batch norms in training mode take means, the fewest; None without such."""
    found = [
        values.numel() // max(1, values.shape[1])
        for node in behind
        if name_of(node) in _NORMS and getattr(node, "_saved_training", True)
        if (values := saved(node, "input")) is not None and values.ndim > 1
    ]
    return min(found, default=None)


def _input(node: Any) -> Any:
    return node.next_functions[PRODUCTS[name_of(node)][0]][0]


def _first(node: Any) -> Any:
    return next((one for one, _ in node.next_functions if one is not None), None)
