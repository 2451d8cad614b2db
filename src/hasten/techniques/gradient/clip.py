"""Limit the gradient before it is used: by its norm, by value, or relative to each weight.

What it does
    `clip_norm` scales all gradients together when their joint norm exceeds `max_norm`; `clip_value` limits every
    component; `clip_adaptive` limits the norm of each output unit's gradient to a share of that unit's weight norm.

Why it helps
    One bad batch cannot throw the parameters far away, so higher learning rates stay stable.

When it hurts
    It costs a pass over all gradients. Where more than half of the updates are clipped, it does the learning rate's
    job.

Numerics
    The update changes wherever a limit is exceeded; clipping by norm keeps the direction, by value does not.

Known problems
    A threshold that suits one loss scale does not suit another. Gradients must be unscaled first (float16).

Source
    Pascanu, Mikolov and Bengio, 2013, arXiv:1211.5063 (norm). Brock et al., 2021, arXiv:2102.06171, equation 3
    (adaptive); we treat biases and gains as single units, as their code does.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.gradient.rows import gradients, with_rows
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.transforms import Parameters

Positive = Annotated[float, Meta(gt=0)]


@torch.no_grad()
def clip_by_norm(parameters: Parameters, max_norm: float) -> bool:
    """Scale all gradients so that their joint 2-norm is at most `max_norm`."""
    found = gradients(parameters)
    norm = nn.utils.get_total_norm(found)
    torch._foreach_mul_(found, (max_norm / (norm + 1e-6)).clamp(max=1.0))  # as in torch.nn.utils.clip_grad_norm_
    return True


@torch.no_grad()
def clip_by_value(parameters: Parameters, limit: float) -> bool:
    """Limit every gradient component to [-limit, limit]."""
    found = gradients(parameters)
    torch._foreach_clamp_min_(found, -limit)
    torch._foreach_clamp_max_(found, limit)
    return True


def unit_norms(tensor: Tensor) -> Tensor:
    """Return the 2-norm over each output unit (first dimension), kept broadcastable; the plain norm below 2-D."""
    if tensor.ndim < 2:
        return torch.linalg.vector_norm(tensor)
    return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.ndim)), keepdim=True)


@torch.no_grad()
def clip_adaptively(parameters: Parameters, share: float, smallest: float) -> bool:
    """Limit each unit's gradient norm to `share` of the unit's weight norm (taken as at least `smallest`)."""
    for weights, gradient in with_rows(parameters):
        limit = unit_norms(weights).clamp_min(smallest) * share
        norm = unit_norms(gradient).clamp_min(1e-6)
        gradient.mul_(torch.where(norm > limit, limit / norm, 1.0))
    return True


@dataclass(frozen=True)
class ClipNorm:
    """Scale all gradients together when their joint norm exceeds `max_norm`."""

    max_norm: Positive = 1.0

    card: ClassVar[Card] = Card(
        name="clip_norm",
        stage=Stage.GRADIENT,
        guarantee=Guarantee.TRAJECTORY,
        idea="scale the gradient down when its norm exceeds a limit",
        source="Pascanu et al., 2013, arXiv:1211.5063",
        treats=("exploding_gradient",),
        conflicts=("optimizer_in_backward",),
        after=("nonfinite_guard",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Clipping by norm can always be done."""
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the clipping to the gradient stage."""
        return recipe.with_gradient(partial(clip_by_norm, max_norm=self.max_norm))

    def source(self, recipe: Recipe) -> Source:
        """Return torch's own clipping."""
        return Source(gradient=f"nn.utils.clip_grad_norm_(model.parameters(), {self.max_norm!r})")


@dataclass(frozen=True)
class ClipValue:
    """Limit every gradient component to [-limit, limit]."""

    limit: Positive = 0.5

    card: ClassVar[Card] = Card(
        name="clip_value",
        stage=Stage.GRADIENT,
        guarantee=Guarantee.TRAJECTORY,
        idea="clip every component of the gradient to a range",
        source="Mikolov, 2012, PhD thesis, Brno University of Technology",
        treats=("exploding_gradient",),
        conflicts=("optimizer_in_backward",),
        after=("nonfinite_guard",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Clipping by value can always be done."""
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the clipping to the gradient stage."""
        return recipe.with_gradient(partial(clip_by_value, limit=self.limit))

    def source(self, recipe: Recipe) -> Source:
        """Return torch's own clipping."""
        return Source(gradient=f"nn.utils.clip_grad_value_(model.parameters(), {self.limit!r})")


@dataclass(frozen=True)
class ClipAdaptive:
    """Limit each unit's gradient norm to `share` of its weight norm."""

    share: Positive = 0.01
    smallest: Positive = 1e-3

    card: ClassVar[Card] = Card(
        name="clip_adaptive",
        stage=Stage.GRADIENT,
        guarantee=Guarantee.TRAJECTORY,
        idea="adaptive gradient clipping, relative to each unit's weights",
        source="Brock et al., 2021, arXiv:2102.06171",
        treats=("exploding_gradient",),
        conflicts=("optimizer_in_backward",),
        after=("nonfinite_guard",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Adaptive clipping can always be done."""
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the clipping to the gradient stage."""
        return recipe.with_gradient(partial(clip_adaptively, share=self.share, smallest=self.smallest))

    def source(self, recipe: Recipe) -> Source:
        """Return the clipping."""
        line = f"clip_adaptively(parameters, share={self.share!r}, smallest={self.smallest!r})"
        return Source(copies=(clip_adaptively,), gradient=line)
