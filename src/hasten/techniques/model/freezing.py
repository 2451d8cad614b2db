"""Train only the later layers.

What it does
    The parameters of the first `layers` layers that have any stay as they are.

Why it helps
    No gradient is computed for them and none flows through them: the backward pass ends early, and the optimizer has
    less to do. Meant for models that start from trained weights.

When it hurts
    From random weights nearly always: measured gains of freezing while training from scratch do not survive a fair
    comparison.

Numerics
    Another problem: some parameters are constants.

Known problems
    Batch normalization in the frozen part still follows the data, and dropout there is still on.

Source
    Brock et al., 2017, arXiv:1706.04983 (FreezeOut), without its schedule; against it: MosaicML Composer, "Layer
    Freezing".
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe


def parameter_layers(model: nn.Module) -> list[nn.Module]:
    """Return the modules that hold parameters themselves, in the order in which they were registered."""
    return [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]


def freeze(model: nn.Module, layers: int) -> nn.Module:
    """Take the parameters of the first layers out of training, in place."""
    for layer in parameter_layers(model)[:layers]:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)
    return model


def thaw(model: nn.Module, layers: int) -> nn.Module:
    """Let the parameters of the first layers be trained again, in place."""
    for layer in parameter_layers(model)[:layers]:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(True)
    return model


@dataclass(frozen=True)
class Freezing:
    """Train only the later layers."""

    layers: Annotated[int, Meta(ge=1, description="first layers with parameters that stay as they are")] = 1

    card: ClassVar[Card] = Card(
        name="freezing",
        stage=Stage.MODEL,
        guarantee=Guarantee.MODEL,
        idea="train only the later layers",
        source="Brock et al., 2017, arXiv:1706.04983",
        treats=("optimizer_heavy", "near_memory_limit"),
        needs=("a model that starts from trained weights, to be of use",),
        after=("depthwise_separable", "low_rank_linear", "light_activations"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse to freeze everything, and what the task has frozen itself."""
        model = recipe.subject.fresh_model()
        found = len(parameter_layers(model))
        if self.layers >= found:
            return f"of {found} layers with parameters none would remain trainable"
        freeze(model, self.layers)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            return "no parameter would be left to train: the later layers share those of the first"
        if any(not parameter.requires_grad for parameter in recipe.subject.model().parameters()):
            return "the task has frozen parameters itself"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Freeze the layers before training and thaw them after it."""
        return recipe.with_surgery(partial(freeze, layers=self.layers), undo=partial(thaw, layers=self.layers))

    def source(self, recipe: Recipe) -> Source:
        """Return the change of the model."""
        return Source(
            copies=(freeze, thaw),
            model=f"model = freeze(model, layers={self.layers})",
            undo=f"thaw(model, layers={self.layers})",
        )
