"""Attributions of one number to a point by captum, with the check that they add up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.optional import attribute_of
from hasten.base.records.attribution import Method

STEPS, MOST_STEPS = 50, 800
"""Points of the integral at first, and at most."""
COMPLETE = 0.01
"""Incompleteness from which the number of points is doubled."""
_AT_ONCE = 64
"""Points in one forward pass, whatever the number of steps: so many copies of the sample are in memory."""
_MISSING = "hasten attribute needs captum. Install it: pip install 'hasten[attribution]'"
_CLASSES = {
    Method.INTEGRATED_GRADIENTS: "IntegratedGradients",
    Method.GRADIENT_X_INPUT: "InputXGradient",
    Method.SALIENCY: "Saliency",
}

Score = Callable[[Tensor], Tensor]
"""(points, ...) -> (points,): the number that is explained."""


@dataclass(frozen=True)
class Attributed:
    """Attributions of one number, in the shape of the point.

    Attributes:
        values: the attributions.
        incompleteness: |their sum - the change of the number| over |the change|; None where no sum is promised.
        steps: points of the integral; None without one.
    """

    values: Tensor
    incompleteness: float | None = None
    steps: int | None = None


def captum_class(method: Method) -> Any:
    """Return captum's class of a method.

    Raises:
        BadInput: if captum is not installed.
    """
    return attribute_of(["captum.attr"], _CLASSES[method], missing=_MISSING)


def attributed(method: Method, score: Score, place: Tensor, baseline: Tensor) -> Attributed:
    """Return the attributions of `score(place)`.

    Integrated gradients (Sundararajan et al., 2017, arXiv:1703.01365) sum to score(place) - score(baseline). Where they
    miss that by more than 1 %, they are computed again with twice as many points, up to 800.

    Args:
        method: which one.
        score: the number to explain.
        place: (1, ...) the point of the sample.
        baseline: (1, ...) where integrated gradients begin.

    Raises:
        BadInput: if captum is not installed, or the gradient is not finite or does not exist.
    """
    explain = captum_class(method)(score)
    point = place.detach().clone().requires_grad_()
    if method is not Method.INTEGRATED_GRADIENTS:
        return Attributed(_checked(explain.attribute(point)))
    with torch.no_grad():
        change = float(score(place) - score(baseline))
    steps = STEPS
    while True:
        # Gauss-Legendre's points are exact for smooth functions, and slow to compute where there are many
        rule = "gausslegendre" if steps == STEPS else "riemann_middle"
        options = {"n_steps": steps, "method": rule, "internal_batch_size": min(steps, _AT_ONCE)}
        values = _checked(explain.attribute(point, baselines=baseline, **options))
        missed = _incompleteness(values, change)
        if missed <= COMPLETE or 2 * steps > MOST_STEPS:
            return Attributed(values, missed, steps)
        steps *= 2


def _incompleteness(values: Tensor, change: float) -> float:
    """Return the part of the change that the sum misses; a change near 0 is taken as 1 % of what cancels out in it."""
    total, size = float(values.double().sum()), float(values.double().abs().sum())
    return abs(total - change) / max(abs(change), COMPLETE * size, 1e-12)


def _checked(values: Tensor) -> Tensor:
    if not torch.isfinite(values).all():
        raise BadInput("the gradient of the output by the input is not finite: the weights are those of a failed run.")
    return values.detach()
