"""Optimizers by name: torch's own first, then everything that pytorch_optimizer has."""

from collections.abc import Mapping
from typing import Any

from torch import nn, optim

from hasten.base.errors import BadInput, unknown_name

TORCH: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, {}),
    "rmsprop": (optim.RMSprop, {}),
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {}),
}
"""Name -> class and the options that make the name true. Gradient descent is "sgd" with `batch_size=None`."""


def known_optimizers() -> list[str]:
    """Return every name that `make_optimizer` takes."""
    from pytorch_optimizer import get_supported_optimizers  # slow to import, and only needed for its names

    return sorted({*TORCH, *get_supported_optimizers()})


def make_optimizer(name: str, model: nn.Module, *, lr: float, options: Mapping[str, Any]) -> optim.Optimizer:
    """Return the named optimizer over the model's trainable parameters.

    Raises:
        BadInput: if the name is unknown, an option does not exist, or nothing is trainable.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise BadInput("the model must have parameters to train; found none with requires_grad.")
    kind, defaults = _optimizer_class(name.lower())
    try:
        return kind(parameters, **{"lr": lr, **defaults, **options})
    except TypeError as error:
        raise BadInput(
            f"the optimizer {name!r} does not take these options: {dict(options)}; found: {error}."
        ) from error


def _optimizer_class(name: str) -> tuple[Any, dict[str, Any]]:
    if name in TORCH:
        return TORCH[name]
    if name not in known_optimizers():
        raise unknown_name("optimizer", name, known_optimizers())
    from pytorch_optimizer import load_optimizer

    return load_optimizer(name), {}
