"""The log-probabilities of actions, and the entropies, that a loss weighs: by its graph."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hasten.diagnosis.watching.loss_graph import FEEDS, beyond_shapes, name_of, shape_of
from hasten.diagnosis.wiring.layers import PRODUCTS

_MOST = 20_000  # nodes of a loss, without its models, that are looked at
_PICKS = ("Gather", "Index", "Select")


class Weighed(NamedTuple):
    """What the graph of a loss tells of its log-probabilities and entropies."""

    picked: list[tuple[Any, int]]  # node of log-probabilities of actions, and whether it gives them (1) or minus them
    entropies: list[Any]  # nodes of p log p
    ratios: list[Any]  # nodes of exp(log p - log q), of which p is picked
    products: list[tuple[Any, Any]]  # factors that both have a gradient
    listed: list[int]  # sizes of lists that were made one tensor


def weighed(losses: Sequence[Tensor]) -> Weighed:
    """Return what losses weigh. Cost: about 2 us a node down to the log-probabilities, or to the last layer."""
    found = Weighed([], [], [], [], [])
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    seen = set(waiting)
    while waiting and len(seen) < _MOST:
        node = waiting.pop()
        sign = _sign_of(node)
        if sign:
            found.picked.append((node, sign))
            continue
        if _is_entropy(node):
            found.entropies.append(node)
            continue
        if name_of(node) == "Exp" and (below := _next(node, 0)) is not None and name_of(below) == "Sub":
            found.ratios.append(node)
        if name_of(node) in ("Stack", "Cat"):
            found.listed.append(len(node.next_functions))
        if name_of(node) == "Mul" and None not in (_next(node, 0), _next(node, 1)):
            found.products.append((_next(node, 0), _next(node, 1)))
        for following, _ in node.next_functions:
            if following is not None and following not in seen and name_of(following) not in PRODUCTS:
                seen.add(following)
                waiting.append(following)
    found.picked.sort(key=lambda one: one[0]._sequence_nr())
    picked = [node for node, _ in found.picked]
    return found._replace(ratios=[one for one in found.ratios if leads_to(_next(_next(one, 0), 0), picked)])


def coefficients(losses: Sequence[Tensor], found: Sequence[tuple[Any, int]]) -> Tensor | None:
    """Return by how much a step down the losses wants each log-probability to grow, one number per action.

    None where a loss does not depend on them. Cost: a backward pass down to them.
    """
    shapes = [shape_of(node) for node, _ in found]
    with torch.enable_grad():
        edges = [GradientEdge(node, 0) for node, _ in found]
        computed = torch.autograd.grad(list(losses), edges, retain_graph=True, allow_unused=True)
        gradients = list[Tensor | None](computed)
    parts = []
    for (node, sign), gradient, shape in zip(found, gradients, shapes, strict=True):
        if gradient is None:
            return None
        whole = -sign * gradient.detach().double().cpu()
        several = name_of(node) == "Div" and len(shape) > 1  # dimensions of one action
        parts.append((whole.mean(-1) if several else whole).reshape(-1))
    return torch.cat(parts) if parts else None


def value_below(node: Any) -> Any:
    """Return the last layer of the value that is subtracted from, or from which is subtracted, what has no gradient."""
    node = beyond_shapes(node)
    if node is not None and name_of(node) == "Neg":
        node = beyond_shapes(_next(node, 0))
    if node is None or name_of(node) != "Sub" or (_next(node, 0) is None) == (_next(node, 1) is None):
        return None
    below = beyond_shapes(_next(node, 0) or _next(node, 1))
    return below if below is not None and FEEDS.get(name_of(below)) == "linear" else None


def leads_to(node: Any, goals: Sequence[Any]) -> bool:
    """Return whether one of some nodes is behind a node with nothing but signs and arrangements in between."""
    for _ in range(8):
        node = beyond_shapes(node) if node not in goals else node
        if node is None or node in goals:
            return node is not None
        if name_of(node) not in ("Neg", "Sum"):
            return False
        node = _next(node, 0)
    return False


def _sign_of(node: Any) -> int:
    """Return 1 for log-probabilities of one action per row, -1 for minus those, 0 for anything else."""
    name = name_of(node)
    if name in _PICKS:
        below = _next(node, 0)
        source = beyond_shapes(below)
        size = _classes(source) if source is not None and is_logarithms(source) else 0
        return int(size > 1 and prod(shape_of(node)) * size == prod(shape_of(below)))
    if name == "Log":
        below = _next(node, 0)
        picks = below is not None and name_of(below) in (*_PICKS, "Squeeze", "View")
        source = beyond_shapes(below)
        if source is not None and name_of(source) == "Gather":
            source = beyond_shapes(_next(source, 0))
        size = _classes(source) if picks and source is not None and name_of(source) == "Softmax" else 0
        return int(size > 1 and prod(shape_of(node)) * size == prod(shape_of(source)))
    if name == "NllLoss" and getattr(node, "_saved_reduction", 1) == 0:
        return -1
    if name == "BinaryCrossEntropyWithLogits" and getattr(node, "_saved_reduction", 1) == 0:
        return -1
    return int(name == "Div" and _is_normal(node))


def _is_normal(node: Any) -> bool:
    """Return whether a node is -(action - mean)^2 / (2 variance), as of `Normal.log_prob`."""
    negative = _next(node, 0)
    square = _next(negative, 0) if negative is not None and name_of(negative) == "Neg" else None
    below = _next(square, 0) if square is not None and name_of(square) == "Pow" else None
    return below is not None and name_of(below) == "Sub" and _next(below, 0) is None and _next(below, 1) is not None


def is_logarithms(node: Any) -> bool:
    """Return whether a node gives the log-probabilities of all classes."""
    name = name_of(node)
    if name == "LogSoftmax":
        return True
    if name == "Sub":
        total = _next(node, 1)
        return total is not None and name_of(total) == "Logsumexp" and _next(total, 0) is _next(node, 0)
    if name == "Log":
        below = beyond_shapes(_next(node, 0))
        below = beyond_shapes(_next(below, 0)) if below is not None and name_of(below) == "Clamp" else below
        return below is not None and _is_softmax(below) and shape_of(below) == shape_of(node)
    return False


def softmax_twice(node: Any) -> bool:
    """Return whether logits that are normalized, as by `Categorical(logits=...)`, are the result of a softmax."""
    if name_of(node) != "Sub" or not is_logarithms(node):
        return False
    below = beyond_shapes(_next(node, 0))
    return below is not None and name_of(below) == "Softmax" and shape_of(below)[-1:] == shape_of(node)[-1:]


def source_of_logarithms(node: Any) -> Any:
    """Return the log-probabilities of all classes of which a node picks one per row; None for any other node."""
    below = beyond_shapes(_next(node, 0)) if name_of(node) in _PICKS else None
    return below if below is not None and is_logarithms(below) else None


def _is_softmax(node: Any) -> bool:
    if name_of(node) == "Div":  # probabilities that are normalized once more
        first, total = _next(node, 0), _next(node, 1)
        return first is not None and total is not None and name_of(total) == "Sum" and _next(total, 0) is first
    return name_of(node) == "Softmax"


def _is_entropy(node: Any) -> bool:
    """Return whether a node is p log p of all classes."""
    one, other = _next(node, 0), _next(node, 1)
    if name_of(node) != "Mul" or one is None or other is None or shape_of(one) != shape_of(other):
        return False
    for shares, logarithms in ((one, other), (other, one)):
        logarithms = _next(logarithms, 0) if name_of(logarithms) == "Clamp" else logarithms
        if logarithms is None or not is_logarithms(logarithms):
            continue
        of_them = name_of(shares) in ("Softmax", "Exp") and _next(shares, 0) in (logarithms, _next(logarithms, 0))
        if of_them or (name_of(shares) in ("Softmax", "Div") and name_of(logarithms) == "Log"):
            return True
    return False


def _classes(node: Any) -> int:
    shape = shape_of(node)
    return shape[-1] if shape else 0


def _next(node: Any, place: int) -> Any:
    following = node.next_functions
    return following[place][0] if place < len(following) else None
