"""What the graph behind a loss tells of the forward pass: order of the layers, activations, criterion.

Saved tensors are read where autograd holds them as they are. Where a hook unpacks them (checkpointing, offloading),
reading would compute, so those nodes are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import completed, mean_square, nodes

_PRODUCTS = {
    "AddmmBackward0": "mat1",
    "MmBackward0": "self",
    "LinearBackward0": "input",
    "ConvolutionBackward0": "input",
    "MkldnnRnnLayerBackward0": "input",
    "CudnnRnnBackward0": "input",
    "MkldnnLinearBackward0": "self",
}
"""Nodes that multiply by weights -> the saved tensor that is multiplied."""
_CURVES = {
    "ReluBackward0": ("relu", "result"),
    "SigmoidBackward0": ("sigmoid", "result"),
    "TanhBackward0": ("tanh", "result"),
}
_CRITERIA = {
    "NllLossBackward0",
    "NllLoss2DBackward0",
    "MseLossBackward0",
    "BinaryCrossEntropyWithLogitsBackward0",
    "BinaryCrossEntropyBackward0",
    "L1LossBackward0",
    "SmoothL1LossBackward0",
    "HuberLossBackward0",
}
_REDUCTIONS = ("none", "mean", "sum")
_NEAR = 6  # nodes from the loss to its criterion: a scaled and averaged loss has four between


@dataclass(frozen=True)
class Activation:
    """A tensor of the forward pass, with the parameter that feeds it or that it multiplies."""

    kind: str
    leaf: Tensor | None
    order: int  # grows with the forward pass
    hidden: bool
    values: Tensor
    unit_dim: int


@dataclass(frozen=True)
class CriterionNode:
    """The loss function nearest to the loss."""

    name: str
    reduction: str
    inputs: Tensor | None
    targets: Tensor | None
    weight: Tensor | None = None  # of classes, of positives, or of elements
    of_elements: bool = False  # the last of these
    joined: bool = False  # the loss is made of it and of something else


@dataclass(frozen=True)
class Reading:
    """All of it."""

    order: dict[int, int]  # id of a leaf -> place in the forward pass, growing
    activations: tuple[Activation, ...]
    criterion: CriterionNode | None


def read(losses: Sequence[Tensor]) -> Reading:
    """Return what the graph behind losses tells. Cost: about 2 us a node."""
    order: dict[int, int] = {}
    found: list[tuple[Any, str, str]] = []
    criterion, last_product = None, -1
    for node, distance in nodes(losses):
        name = node.name()
        if name in _PRODUCTS:
            found.append((node, "input", _PRODUCTS[name]))
            last_product = max(last_product, node._sequence_nr())
        elif name in _CURVES:
            found.append((node, *_CURVES[name]))
        elif name in _CRITERIA and criterion is None and distance <= _NEAR:
            criterion = replace(_criterion(node), joined=_is_joined(losses))
        for following, _ in node.next_functions:
            if following is not None and hasattr(following, "variable"):
                key, place = id(following.variable), node._sequence_nr()
                order[key] = min(order.get(key, place), place)
    activations = (_activation(node, kind, saved, last_product) for node, kind, saved in found)
    return Reading(order, tuple(sorted((one for one in activations if one), key=lambda one: one.order)), criterion)


def by_hand(losses: Sequence[Tensor], outputs: Sequence[tuple[Tensor, int | None]]) -> CriterionNode | None:
    """Return the mean squared error that is written as a mean of squares, with its targets if a model made the output.

    Args:
        losses: of a backward pass; None is returned for several.
        outputs: of models, each with the number of the node that made it.
    """
    term = mean_square(losses[0]) if len(losses) == 1 else None
    if term is None:
        return None
    term = completed(term, [one for one, _ in outputs], [number for _, number in outputs])
    return CriterionNode("MseLossBackward0", "mean", term.output, term.target)


def _is_joined(losses: Sequence[Tensor]) -> bool:
    """Return whether a loss depends on more than one thing before its first criterion: it is a sum of terms."""
    node = losses[0].grad_fn
    for _ in range(_NEAR):
        if node is None or node.name() in _CRITERIA:
            return False
        following = [one for one, _ in node.next_functions if one is not None]
        if len(following) != 1:
            return True
        node = following[0]
    return True


def _saved(node: Any, name: str) -> Tensor | None:
    """Return a saved tensor, without computing anything; None where a hook would have to unpack it."""
    raw = getattr(node, f"_raw_saved_{name}", None)
    if raw is None or raw.unpack_hook is not None:
        return None
    value = getattr(node, f"_saved_{name}")
    return value.detach() if isinstance(value, Tensor) else None


def _activation(node: Any, kind: str, saved: str, last_product: int) -> Activation | None:
    values = _saved(node, saved)
    if values is None or values.dim() < 2 or not values.is_floating_point() or values.is_sparse:
        return None
    leaf, convolution = _fed_by(node)
    channels = values.dim() > 2 and convolution
    return Activation(
        kind, leaf, node._sequence_nr(), node._sequence_nr() < last_product, values, 1 if channels else -1
    )


def _fed_by(node: Any) -> tuple[Tensor | None, bool]:
    """Return the largest leaf of the nearest layer at or before a node, and whether that is a convolution."""
    for _ in range(_NEAR):
        held = [leaf for following, _ in node.next_functions if (leaf := _leaf(following)) is not None]
        if held or node.name() in _PRODUCTS:
            return max(held, key=lambda leaf: leaf.dim(), default=None), any(
                word in node.name() for word in ("Conv", "BatchNorm", "GroupNorm")
            )
        node = next((following for following, _ in node.next_functions if following is not None), None)
        if node is None:
            break
    return None, False


def _leaf(node: Any) -> Tensor | None:
    """Return the leaf at the end of a chain of views and casts."""
    for _ in range(_NEAR):
        if node is None:
            return None
        if hasattr(node, "variable"):
            return node.variable
        if len(node.next_functions) != 1 or node.name() in _CURVES or node.name() in _PRODUCTS:
            return None
        node = node.next_functions[0][0]
    return None


def _criterion(node: Any) -> CriterionNode:
    reduction = getattr(node, "_saved_reduction", 1)
    positives, weight = _saved(node, "pos_weight"), _saved(node, "weight")
    return CriterionNode(
        node.name(),
        _REDUCTIONS[reduction],
        _saved(node, "self"),
        _saved(node, "target"),
        weight=weight if positives is None else positives,
        of_elements=weight is not None and not node.name().startswith("NllLoss"),
    )
