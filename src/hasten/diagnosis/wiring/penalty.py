"""How much of a loss is a penalty on weights that is added to its criterion by hand."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from hasten.base.units import finite
from hasten.diagnosis.watching.loss_graph import Term, name_of, nodes, terms

_MEASURES = frozenset(("Abs", "Pow", "Mul", "LinalgVectorNorm", "Norm", "LinalgNorm"))
"""What a penalty makes of a weight."""
_MEANS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "smooth_l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
    "bce": F.binary_cross_entropy,
    "bce_logits": F.binary_cross_entropy_with_logits,
    "cross_entropy": F.nll_loss,  # autograd keeps log-probabilities
    "nll": F.nll_loss,
}
"""Criterion -> its mean over the output and target that autograd keeps."""


def penalty_share(losses: Sequence[Tensor]) -> float | None:
    """Return which share of a loss is a penalty on matrices; None where there is none, or it cannot be told apart."""
    found = terms(losses)
    if (
        len(losses) != 1
        or losses[0].numel() != 1
        or len(found) != 1
        or not any(_penalizes(node) for node, _ in nodes(losses))
    ):
        return None
    total, fit = finite(float(losses[0])), _mean(found[0])
    return None if total is None or fit is None or total <= 0 else 1 - fit / total


def _penalizes(node: Any) -> bool:
    """Return whether a node measures a matrix by itself, not what it does to data."""
    below = [one for one, _ in node.next_functions if one is not None]
    return name_of(node) in _MEASURES and bool(below) and all(
        hasattr(one, "variable") and one.variable.ndim > 1 for one in below
    )  # fmt: skip


def _mean(term: Term) -> float | None:
    if term.difference is not None:
        return finite(float(term.difference.square().mean() if term.kind == "mse" else term.difference.abs().mean()))
    measure = _MEANS.get(term.kind)
    if measure is None or term.output is None or term.target is None or term.weighted:
        return None
    if term.kind in ("cross_entropy", "nll") and (term.target.is_floating_point() or term.dim != 1):
        return None
    if term.kind in ("cross_entropy", "nll") and bool((term.target == term.ignored).any()):
        return None
    return finite(float(measure(term.output, term.target)))
