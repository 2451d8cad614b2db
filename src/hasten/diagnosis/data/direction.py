"""Whether a loss of one's own moves the outputs towards a mask that they are multiplied with, or away from it."""

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from hasten.diagnosis.watching.loss_graph import beyond_shapes, name_of, saved

# fmt: off
_LINEAR = frozenset((
    "Add", "Sub", "Rsub", "Mul", "Div", "Neg", "Mean", "Sum", "Squeeze", "Unsqueeze", "View", "Select", "Stack",
))
# fmt: on
"""What stands between such a loss and its products: a square or a logarithm may turn the direction around."""
_SHARES = ("Sigmoid", "Softmax")
"""What makes the outputs: a distance, which is multiplied with 1 for equal pairs, shall become small."""
_MOST = 60  # nodes that are looked at


def direction(losses: Sequence[Tensor], output: Tensor) -> float | None:
    """Return the correlation of a step down the loss, as a change of the output, with the mask of its targets.

    A mask is what the output, a probability, is multiplied with in the loss: of the same size, without a gradient, of
    zeros and ones.
    Of a loss of overlap (Dice, Jaccard) it is near 1, of one that is maximized by mistake near -1.

    Returns:
        None where there is no such product. Cost: a backward pass from the loss to the output.
    """
    mask = _mask(losses, output.numel())
    if mask is None or not output.requires_grad:
        return None
    with torch.enable_grad():
        found = torch.autograd.grad(list(losses), [output], retain_graph=True, allow_unused=True)
    gradient = next(iter(found), None)
    if gradient is None:
        return None
    step, wanted = -gradient.double().flatten(), mask.double().flatten().to(gradient.device)
    step, wanted = step - step.mean(), wanted - wanted.mean()
    sizes = float(step.norm() * wanted.norm())
    return float(step @ wanted) / sizes if sizes else None


def _mask(losses: Sequence[Tensor], numel: int) -> Tensor | None:
    waiting = deque(loss.grad_fn for loss in losses if loss.grad_fn is not None)
    seen = set(waiting)
    while waiting and len(seen) < _MOST:
        node = waiting.popleft()
        name = name_of(node)
        below = [one for one, _ in node.next_functions if one is not None]
        if name == "Mul" and len(below) == 1:
            factor = saved(node, "other") if node.next_functions[0][0] is not None else saved(node, "self")
            shares = beyond_shapes(below[0])
            of_shares = shares is not None and name_of(shares) in _SHARES
            if of_shares and factor is not None and factor.numel() == numel > 1 and _is_mask(factor):
                return factor
        if name not in _LINEAR:
            continue
        for one in below:
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    return None


def _is_mask(tensor: Tensor) -> bool:
    return bool(((tensor == 0) | (tensor == 1)).all()) and bool((tensor != tensor.flatten()[0]).any())
