"""Put a cheap activation in place of an expensive one.

What it does
    Replaces the modules GELU, SiLU, Mish, ELU, SELU, CELU, Softplus, Sigmoid and Tanh by the one that `to` names. The
    last module of the model stays: its activation is part of what the output means.

Why it helps
    A ReLU is one comparison; the others compute exponentials, forward and backward. ReLU also makes exact zeros.

When it hurts
    Where products dominate, or the compiler fuses the activation anyway, it saves next to nothing. Quality may fall:
    GELU and SiLU are there because they train better.

Numerics
    Another model.

Known problems
    Activations called as functions (`F.gelu(x)`) are not modules and cannot be found. The model stays with the new
    activation: taking it back would change what was trained.

Source
    Nair and Hinton, 2010 (ReLU); Howard et al., 2019, arXiv:1905.02244 (hard-swish); So et al., 2021,
    arXiv:2109.08668 (squared ReLU).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.model.replacing import replace_layers
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

EXPENSIVE = (nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.SELU, nn.CELU, nn.Softplus, nn.Sigmoid, nn.Tanh)


class SquaredReLU(nn.Module):
    """max(x, 0) squared, for tensors of any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


LIGHT: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "hardswish": nn.Hardswish,
    "squared_relu": SquaredReLU,
}


def expensive_activations(model: nn.Module) -> list[str]:
    """Return the names of the activation modules that would be replaced: all but the model's last module."""
    names = [name for name, module in model.named_modules() if next(module.children(), None) is None]
    return [name for name in names[:-1] if isinstance(model.get_submodule(name), EXPENSIVE)]


def lighten(model: nn.Module, to: str) -> nn.Module:
    """Replace the model's expensive activations, in place."""
    names = set(expensive_activations(model))
    for name, module in model.named_modules():
        if isinstance(module, nn.TransformerEncoderLayer) and f"{name}.activation".lstrip(".") in names:
            module.activation_relu_or_gelu = int(
                to == "relu"
            )  # evaluation computes the layer in one call, by this flag
        if isinstance(module, nn.TransformerEncoder) and any(one.startswith(f"{name}.".lstrip(".")) for one in names):
            module.use_nested_tensor = module.use_nested_tensor and to == "relu"  # which only that call takes
    return replace_layers(model, lambda name, layer: LIGHT[to]() if name in names else None)


@dataclass(frozen=True)
class LightActivations:
    """Put a cheap activation in place of an expensive one."""

    to: Literal["relu", "relu6", "leaky_relu", "hardswish", "squared_relu"] = "relu"

    card: ClassVar[Card] = Card(
        name="light_activations",
        stage=Stage.MODEL,
        guarantee=Guarantee.MODEL,
        idea="replace expensive activation functions with cheap ones",
        source="Nair and Hinton, 2010; Howard et al., 2019, arXiv:1905.02244; So et al., 2021, arXiv:2109.08668",
        treats=("small_kernels", "low_compute_efficiency"),
        needs=("activations that are modules",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without an expensive activation module."""
        if not expensive_activations(recipe.subject.model()):
            return "the model has no expensive activation as a module before its output"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Replace the activations before training."""
        return recipe.with_surgery(partial(lighten, to=self.to))

    def source(self, recipe: Recipe) -> Source:
        """Return the change of the model."""
        return Source(copies=(lighten,), model=f'model = lighten(model, to="{self.to}")')
