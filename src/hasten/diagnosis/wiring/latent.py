"""What a loss says of a distribution of latent numbers, by its graph: its distance from the prior, and its weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hasten.diagnosis.watching.loss_graph import LINEAR, name_of, saved, shape_of

_LINEAR = LINEAR | {"ToCopy"}
_FITS = ("MseLoss", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "SmoothL1Loss", "HuberLoss")
_MEAN = 1  # reduction, as a node keeps it
_MOST = 80  # nodes that are looked at


@dataclass(frozen=True)
class Latent:
    """A variational autoencoder's divergence, as it stands in a loss."""

    divergence: float  # of a sample from the prior, summed over its latent numbers, in nats
    weight: float  # of a latent number's divergence / of an output's error
    unbounded: bool  # v and exp(v) have the same sign, so that the smallest v is the best


def latent(losses: Sequence[Tensor]) -> Latent | None:
    """Return the divergence `-0.5 sum(1 + v - m^2 - exp(v))` in a loss, where it is added to an error of outputs.

    None where there is none. Cost: a backward pass from the loss to these two.
    """
    near = _near(losses)
    exp = next((one for one in near if name_of(one) == "Exp" and _meets_itself(one, near)), None)
    fit = next((one for one in near if name_of(one) in _FITS), None)
    if any(name_of(one) == "Div" and None not in [each for each, _ in one.next_functions] for one in near):
        return None  # a variance of the prior, which is learned too
    if exp is None or fit is None or len(losses) != 1 or losses[0].numel() != 1:
        return None
    variances, given = saved(exp, "result"), saved(fit, "self")
    squares = next((one for one in near if _is_square(one) and shape_of(one) == shape_of(exp)), None)
    means = None if squares is None else saved(squares, "self")
    if variances is None or means is None or given is None or variances.ndim < 2:
        return None
    with torch.enable_grad():
        edges = [GradientEdge(exp, 0), GradientEdge(fit, 0)]
        of_variance, of_fit = torch.autograd.grad(list(losses), edges, retain_graph=True)  # both are near
    each = float(of_fit.abs().mean()) / (given.numel() if getattr(fit, "_saved_reduction", 0) == _MEAN else 1)
    samples, variances = len(variances), variances.double()
    total = float((means.double().square() + variances - 1 - variances.log()).sum()) / 2
    if not each > 0 or not isfinite(total):
        return None
    return Latent(total / samples, 2 * float(of_variance.abs().mean()) / each, _is_unbounded(losses, exp))


def _is_square(node: Any) -> bool:
    product = name_of(node) == "Mul" and len(node.next_functions) == 2
    return name_of(node) == "Pow" or (product and node.next_functions[0] == node.next_functions[1])


def _is_unbounded(losses: Sequence[Tensor], exp: Any) -> bool:
    """Return whether v and exp(v) have one sign in a loss; False where a factor hides the sign of one of them."""
    signs: dict[str, set[int]] = {"exp": set(), "itself": set()}
    waiting: list[tuple[Any, int]] = [(loss.grad_fn, 1) for loss in losses]
    for _ in range(_MOST):
        if not waiting:
            break
        node, sign = waiting.pop(0)
        if node is exp:
            signs["exp"].add(sign)
        if name_of(node) not in _LINEAR:
            continue
        for place, edge in enumerate(node.next_functions):
            if edge[0] is None:
                continue
            own = sign * _sign(node, place)
            if edge == exp.next_functions[0]:
                signs["itself"].add(own)
            waiting.append((edge[0], own))
    return signs["exp"] == signs["itself"] and len(signs["exp"]) == 1 and 0 not in signs["exp"]


def _sign(node: Any, place: int) -> int:
    """Return the sign with which a node takes one of its arguments; 0 where that is not known."""
    name = name_of(node)
    if name in ("Neg", "Rsub") or (name == "Sub" and place == 1):
        return -1
    if name not in ("Mul", "Div"):
        return 1
    factor = saved(node, "other") if place == 0 else saved(node, "self")
    if factor is None:  # a number of Python, which autograd does not show
        return 1
    return int(factor.sign().max()) if bool((factor.sign() == factor.sign().max()).all()) else 0


def _near(losses: Sequence[Tensor]) -> list[Any]:
    """Return the nodes that a loss is a sum of products of, and those that these are made of."""
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    seen = list(waiting)
    while waiting and len(seen) < _MOST:
        node = waiting.pop(0)
        if name_of(node) not in _LINEAR:
            continue
        for following, _ in node.next_functions:
            if following is not None and not any(following is one for one in seen):
                seen.append(following)
                waiting.append(following)
    return seen


def _meets_itself(exp: Any, near: Sequence[Any]) -> bool:
    """Return whether what an exponential is of is added as it is, too."""
    sums = [one for one in near if name_of(one) in ("Add", "Sub", "Rsub")]
    return any(edge == exp.next_functions[0] for one in sums for edge in one.next_functions)
