"""Whether a loss of one's own moves the outputs towards a mask that they are multiplied with, or away from it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hasten.diagnosis.watching.loss_graph import LINEAR, beyond_shapes, name_of, saved

_SHARES = ("Sigmoid", "Softmax")
"""What makes the outputs: a distance, which is multiplied with 1 for equal pairs, shall become small."""
_LOGARITHMS = ("LogSoftmax", "LogSigmoid")
_MOST = 60  # nodes that are looked at


@dataclass(frozen=True)
class _Product:
    """A product of shares, or of their logarithms, and a mask."""

    edge: GradientEdge  # of the shares
    mask: Tensor


def direction(losses: Sequence[Tensor]) -> float | None:
    """Return the correlation of a step down the loss, as a change of the outputs, with the mask of their targets.

    A mask is what outputs that are probabilities, or their logarithms, are multiplied with in the loss: of the same
    size, without a gradient, of zeros and ones. Of a loss of overlap (Dice, Jaccard) and of a cross-entropy written by
    hand it is near 1, of one that is maximized by mistake near -1.

    Returns:
        None where there is no such product. Cost: a backward pass from the loss to the product.
    """
    product = _product(losses) if all(loss.numel() == 1 for loss in losses) else None
    if product is None:
        return None
    with torch.enable_grad():
        found = torch.autograd.grad(list(losses), [product.edge], retain_graph=True, allow_unused=True)
    gradient = next(iter(found), None)
    if gradient is None or gradient.numel() != product.mask.numel():
        return None
    step, wanted = -gradient.double().flatten(), product.mask.double().flatten().to(gradient.device)
    step, wanted = step - step.mean(), wanted - wanted.mean()
    sizes = float(step.norm() * wanted.norm())
    return float(step @ wanted) / sizes if sizes else None


def _product(losses: Sequence[Tensor]) -> _Product | None:
    waiting = deque((loss.grad_fn, False) for loss in losses if loss.grad_fn is not None)
    seen = {node for node, _ in waiting}
    while waiting and len(seen) < _MOST:
        node, weighted = waiting.popleft()
        name = name_of(node)
        below = [(one, output) for one, output in node.next_functions if one is not None]
        if name == "Mul" and len(below) == 1:
            factor = saved(node, "other") if node.next_functions[0][0] is not None else saved(node, "self")
            if factor is not None and _is_mask(factor) and _makes_shares(below[0][0], weighted=weighted):
                return _Product(GradientEdge(*below[0]), factor)
            weighted = weighted or (factor is not None and factor.numel() > 1)
        if name not in LINEAR:
            continue
        for one, _ in below:
            if one not in seen:
                seen.add(one)
                waiting.append((one, weighted))
    return None


def _makes_shares(node: Any, *, weighted: bool) -> bool:
    """Return whether a node gives shares, or logarithms of shares whose sum no further factor weights.

    Such a factor may be the reward of an action, which is below 0 where the action shall be chosen less often.
    """
    made = beyond_shapes(node)
    if made is None:
        return False
    name = name_of(made)
    if name in _SHARES:
        return True
    below = [name_of(one) for one, _ in made.next_functions if one is not None]
    logarithm = name in _LOGARITHMS or (name == "Log" and below[:1] and _below_is_share(made))
    return not weighted and bool(logarithm or (name == "Sub" and "Logsumexp" in below))


def _below_is_share(node: Any) -> bool:
    below = beyond_shapes(node.next_functions[0][0])
    while below is not None and name_of(below) in ("Add", "Clamp", "ClampMin"):
        below = beyond_shapes(below.next_functions[0][0])
    return below is not None and name_of(below) in _SHARES


def _is_mask(tensor: Tensor) -> bool:
    if tensor.numel() < 2:
        return False
    return bool(((tensor == 0) | (tensor == 1)).all()) and bool((tensor != tensor.flatten()[0]).any())
