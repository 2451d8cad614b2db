"""Take the mean out of the gradient of each output unit.

What it does
    Subtracts from every weight gradient of two or more dimensions its mean over all dimensions but the first.

Why it helps
    It keeps the weights of a unit on a hyperplane, which smooths the loss; networks with batch normalization often
    converge in fewer epochs.

When it hurts
    It costs a pass over all gradients. On models that need the mean (a linear regression whose inputs share a common
    level) it slows learning down. Gains vanish where layer normalization does much the same.

Numerics
    Another direction of descent: the projection of the gradient on a hyperplane.

Known problems
    The first dimension must be that of the outputs, as in torch's linear layers and convolutions. Transposed
    convolutions and embeddings have it otherwise; they are treated all the same, as in the authors' code.

Source
    Yong et al., 2020, arXiv:2004.01461.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.gradient.rows import gradients
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.transforms import Parameters


@torch.no_grad()
def centralize(parameters: Parameters) -> bool:
    """Subtract from each gradient of two or more dimensions its mean over all but the first."""
    for gradient in gradients(parameters):
        if gradient.ndim > 1:
            gradient.sub_(gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True))
    return True


@dataclass(frozen=True)
class Centralize:
    """Take the mean out of the gradient of each output unit."""

    card: ClassVar[Card] = Card(
        name="centralize",
        stage=Stage.GRADIENT,
        guarantee=Guarantee.TRAJECTORY,
        idea="gradient centralization: subtract each output unit's mean gradient",
        source="Yong et al., 2020, arXiv:2004.01461",
        treats=("slow_convergence",),
        conflicts=("optimizer_in_backward",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without a weight matrix that has more than one input."""
        shapes = [parameter.shape for parameter in recipe.subject.model().parameters() if parameter.ndim > 1]
        if all(shape[1:].numel() == 1 for shape in shapes):
            return "the model has no weight with several inputs to take a mean over"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the centralization to the gradient stage."""
        return recipe.with_gradient(centralize)

    def source(self, recipe: Recipe) -> Source:
        """Return the centralization."""
        return Source(copies=(centralize,), gradient="centralize(parameters)")
