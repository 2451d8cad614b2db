"""Putting other layers in place of a model's own, by name."""

from collections.abc import Callable

from torch import nn


def shared_parameters(model: nn.Module) -> set[int]:
    """Return the ids of parameters that more than one module uses (tied weights)."""
    seen: set[int] = set()
    shared: set[int] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            (shared if id(parameter) in seen else seen).add(id(parameter))
    return shared


def replace_layers(model: nn.Module, other: Callable[[str, nn.Module], nn.Module | None]) -> nn.Module:
    """Put `other(name, layer)` in place of every layer for which it is not None, in place.

    A layer that stands in several places is replaced by one new layer in all of them. What was put in is not looked
    at again.
    """
    made: dict[int, nn.Module | None] = {}
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if id(layer) not in made:
            made[id(layer)] = other(name, layer)
        replacement = made[id(layer)]
        if replacement is None:
            continue
        if not name:
            return replacement
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, replacement)
    return model
