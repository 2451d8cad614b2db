"""Layers as people know them: the name in the model, which may be mere numbers, and what kind of layer it is."""

from torch import nn


def layer_names(model: nn.Module) -> dict[str, str]:
    """Return name of each module -> the name with its class: "0.0" -> "0.0 (Conv2d)", "" -> "the model"."""
    named = {name: f"{name} ({type(module).__name__})" for name, module in model.named_modules()}
    return named | {"": "the model"}


def parameter_name(model: nn.Module, name: str) -> str:
    """Return the name of a parameter with the class of its layer: "0.0.weight" -> "0.0.weight (Conv2d)"."""
    layer = model.get_submodule(name.rpartition(".")[0])
    return name if layer is model else f"{name} ({type(layer).__name__})"
