"""Set the smallest weights to zero, more and more of them over the first part of the run.

What it does
    After an update the weights of smallest magnitude in every matrix are set to zero and kept there; their share
    rises along a cubic to `sparsity`.

Why it helps
    The trained model is small and, with sparse kernels, cheap to run. Training itself does not get faster: a matrix
    with zeros in it is multiplied like any other.

When it hurts
    Always, in speed: masks cost a pass over the weights. Quality falls at high sparsity. Sparse products on a CPU win
    only beyond about 98 % zeros.

Numerics
    Another model, with zeros.

Known problems
    The optimizer's moments of pruned weights live on; they are held at zero after each update.

Source
    Zhu and Gupta, 2017, arXiv:1710.01878.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.transforms import Parameters, State, StepInfo

LEVELS = 20
"""Times that the masks are made anew."""


def sparsity_at(progress: float, *, final: float, begin: float, end: float) -> float:
    """Return the share of zeros at a share of the run: cubic from 0 at `begin` to `final` at `end`."""
    done = min(max((progress - begin) / (end - begin), 0.0), 1.0)
    return final * (1 - (1 - done) ** 3)


def largest(weight: Tensor, sparsity: float) -> Tensor:
    """Return the mask of the weights that stay: all but the share `sparsity` of smallest magnitude."""
    zeros = int(sparsity * weight.numel())
    mask = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
    mask[weight.detach().abs().flatten().topk(zeros, largest=False).indices] = False
    return mask.view(weight.shape)


@dataclass(frozen=True)
class Prune:
    """Holds pruned weights at zero, and makes the masks anew when the next level is reached."""

    final: float
    begin: float
    end: float

    def init(self, parameters: Parameters) -> State:
        """Return no masks: level 0."""
        return {"level": 0, "masks": {}}

    @torch.no_grad()
    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        """Set the pruned weights to zero again after an update."""
        if info.progress < self.begin:
            return
        level = min(LEVELS, 1 + int(LEVELS * (info.progress - self.begin) / (self.end - self.begin)))
        if state["level"] < level:
            reached = self.begin + (self.end - self.begin) * level / LEVELS
            sparsity = sparsity_at(reached, final=self.final, begin=self.begin, end=self.end)
            state["level"] = level
            state["masks"] = {name: largest(one, sparsity) for name, one in parameters.items() if one.ndim >= 2}
        for name, mask in state["masks"].items():
            parameters[name].mul_(mask)


@dataclass(frozen=True)
class MagnitudePruning:
    """Set the smallest weights to zero, more and more of them."""

    sparsity: Annotated[float, Meta(gt=0, lt=1, description="share of zeros at the end")] = 0.8
    begin: Annotated[float, Meta(ge=0, lt=0.5, description="share of the run before the first zero")] = 0.1
    end: Annotated[float, Meta(ge=0.5, le=1, description="share of the run after the last level")] = 0.7

    card: ClassVar[Card] = Card(
        name="magnitude_pruning",
        stage=Stage.MODEL,
        guarantee=Guarantee.MODEL,
        idea="magnitude pruning: set a growing fraction of the smallest weights to zero",
        source="Zhu and Gupta, 2017, arXiv:1710.01878",
        needs=("a run with a length",),
        conflicts=("schedule_free", "optimizer_in_backward"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse runs without a length and models without matrices."""
        if not recipe.subject.has_length:
            return "needs a run with a known length (epochs, steps or seconds)"
        if all(parameter.ndim < 2 for parameter in recipe.subject.model().parameters()):
            return "the model has no weight matrix"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the pruning after each update."""
        return recipe.with_post_step(Prune(final=self.sparsity, begin=self.begin, end=self.end))

    def source(self, recipe: Recipe) -> Source:
        """Return the masks."""
        made = f"Prune(final={self.sparsity!r}, begin={self.begin!r}, end={self.end!r})"
        return Source(
            imports=("from types import SimpleNamespace",),
            copies=(Prune,),
            setup=f"pruning = {made}\npruned = pruning.init(parameters)",
            update="pruning.update(parameters, pruned, SimpleNamespace(step=step - 1, progress=progress))",
        )
