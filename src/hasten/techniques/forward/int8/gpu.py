"""int8 training of linear layers on a GPU, through torchao, which ships it.

torchao swaps the classes of the layers; its other way, a tensor subclass for the weights, runs no int8 product at all
in release 0.18, so this one is asked for. Not measured by hasten on a GPU: the trial on the user's model decides.
"""

from collections.abc import Collection
from importlib import import_module
from typing import Any

import torch
from torch import nn

from hasten.base.errors import Refused
from hasten.techniques.forward.int8.convert import Conversion
from hasten.techniques.forward.int8.layers import MIN_FEATURES, SKIPPED_NAMES, choose

OLDEST, NEWEST = (8, 0), (9, 0)
"""Compute capabilities: before Ampere torch has no fast int8 product; after Hopper the hardware is 13 times slower at
it than at tf32 (pytorch issue 187094)."""


def unsupported_gpu(capability: tuple[int, int]) -> str | None:
    """Return why int8 training cannot help on a GPU of that compute capability, or None."""
    if OLDEST <= capability <= NEWEST:
        return None
    number = "{}.{}".format(*capability)
    return f"the GPU has compute capability {number}; int8 products are fast from 8.0 (Ampere) to 9.0 (Hopper)"


def convert_on_gpu(
    model: nn.Module, *, min_features: int = MIN_FEATURES, skip: Collection[str] = SKIPPED_NAMES
) -> Conversion:
    """Let the linear layers of a model on a GPU train in int8 through torchao, in place; see `convert`.

    Raises:
        Refused: if the GPU is too old or too new, torchao is not installed, or no layer qualifies.
    """
    if not torch.cuda.is_available():
        raise Refused("int8 training on a GPU needs a CUDA device; found none. Train on the CPU.")
    reason = unsupported_gpu(torch.cuda.get_device_capability())
    if reason is not None:
        raise Refused(f"int8 training cannot help here: {reason}. Train in bfloat16.")
    choice = choose(model, device="cuda", min_features=min_features, skip=skip)
    swap(model, choice.chosen)
    return Conversion(tuple(choice.chosen), choice.skipped)


def swap(model: nn.Module, names: Collection[str]) -> None:
    """Swap the classes of the named linear layers for those of torchao, in place.

    Raises:
        Refused: if torchao is not installed.
    """
    try:
        quantize = import_module("torchao.quantization").quantize_
        training: Any = import_module("torchao.prototype.quantized_training")
    except ImportError as error:
        raise Refused(
            "int8 training on a GPU needs torchao; it is not installed. Install it with `pip install torchao`."
        ) from error
    config = training.Int8MixedPrecisionTrainingConfig(module_swap=True)
    quantize(model, config, filter_fn=lambda _, name: name in names)


def revert_on_gpu(model: nn.Module) -> tuple[str, ...]:
    """Make every layer that torchao swapped a plain `nn.Linear` again, in place; return their names."""
    swapped = {
        name: layer
        for name, layer in model.named_modules()
        if type(layer).__name__ == "Int8MixedPrecisionTrainingLinear"
    }
    for layer in swapped.values():
        plain: Any = layer
        plain.__dict__.pop("config", None)
        plain.__class__ = nn.Linear
    return tuple(swapped)
