"""Set two of every four weights to zero, in the pattern that sparse tensor cores multiply twice as fast.

What it does
    From `begin` on, of every four neighboring weights of one output in a wide linear layer the two of smallest
    magnitude are held at zero. They are chosen once, and the rest of the run trains what is left.

Why it helps
    The trained model: GPUs from Ampere on multiply such matrices at up to twice the rate
    (`torch.sparse.to_sparse_semi_structured`). Training itself does not get faster, for its products stay dense: sparse
    products in training were seen to gain little, and to be wrong on some GPUs.

When it hurts
    Masks cost a pass over the weights after each update. Quality falls by what half of the weights were worth; it comes
    back with training after the choice, so a late `begin` costs quality.

Numerics
    Another model, with zeros.

Known problems
    The optimizer's moments of masked weights live on; they are held at zero after each update.

Source
    Mishra et al., 2021, arXiv:2104.08378.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.training.recipe import Recipe
from hasten.training.transforms import Parameters, State, StepInfo

OLDEST = (8, 0)
"""Compute capability: Ampere was the first with sparse tensor cores."""
MULTIPLE = 64
"""Of inputs and outputs, as torch's sparse products ask for."""


def two_of_four(weight: Tensor) -> Tensor:
    """Return the mask of the two largest magnitudes in every four neighbors: (outputs, inputs) bool."""
    fours = weight.detach().abs().reshape(-1, 4)
    return torch.zeros_like(fours, dtype=torch.bool).scatter_(1, fours.topk(2, dim=1).indices, True).view(weight.shape)


def fits(shape: torch.Size) -> bool:
    """Return whether a matrix of this shape can be multiplied by sparse tensor cores."""
    return len(shape) == 2 and shape[0] % MULTIPLE == 0 and shape[1] % MULTIPLE == 0


@dataclass(frozen=True)
class HoldMasks:
    """Chooses the masks of matrices of these shapes once `begin` is reached, and holds masked weights at zero."""

    shapes: frozenset[torch.Size]
    begin: float

    def init(self, parameters: Parameters) -> State:
        """Return no masks."""
        return {"masks": {}}

    @torch.no_grad()
    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        """Set the masked weights to zero again after an update."""
        if info.progress < self.begin:
            return
        if not state["masks"]:
            state["masks"] = {name: two_of_four(one) for name, one in parameters.items() if one.shape in self.shapes}
        for name, mask in state["masks"].items():
            parameters[name].mul_(mask)


@dataclass(frozen=True)
class SemiStructured:
    """Set two of every four weights to zero."""

    begin: Annotated[float, Meta(ge=0, lt=1, description="share of the run before the choice")] = 0.3

    card: ClassVar[Card] = Card(
        name="semi_structured",
        stage=Stage.MODEL,
        guarantee=Guarantee.MODEL,
        idea="2:4 semi-structured sparsity: two of every four weights are zero",
        source="Mishra et al., 2021, arXiv:2104.08378",
        needs=("a run with a length", "a GPU of compute capability 8.0 or later, to use the zeros"),
        conflicts=("schedule_free", "optimizer_in_backward", "magnitude_pruning"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse where no GPU can use the zeros, runs without a length, and models without a fitting layer."""
        if machine.gpu is None or machine.gpu.capability < OLDEST:
            return "only GPUs of compute capability 8.0 or later multiply such matrices faster, found none"
        if not recipe.subject.has_length:
            return "needs a run with a known length (epochs, steps or seconds)"
        if not _shapes(recipe.subject.model()):
            return f"no linear layer but the last has inputs and outputs in multiples of {MULTIPLE}"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Hold the masks after each update."""
        return recipe.with_post_step(HoldMasks(shapes=_shapes(recipe.subject.model()), begin=self.begin))


def _shapes(model: nn.Module) -> frozenset[torch.Size]:
    """Return the shapes of the linear layers' weights that fit, but for the last, which makes the scores."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    embeddings = {module.weight.shape for module in model.modules() if isinstance(module, nn.Embedding)}
    return frozenset(layer.weight.shape for layer in layers[:-1] if fits(layer.weight.shape)) - embeddings
