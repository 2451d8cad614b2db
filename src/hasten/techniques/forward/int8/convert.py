"""From a plain model to one that trains in int8 on the CPU, and back."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from torch import nn

from hasten.base.errors import Refused
from hasten.techniques.forward.int8.layers import MIN_FEATURES, SKIPPED_NAMES, choose, nothing_chosen
from hasten.techniques.forward.int8.linear import Int8Linear, Int8Settings
from hasten.techniques.forward.int8.running import release_scratch
from hasten.techniques.forward.int8.support import unsupported


@dataclass(frozen=True)
class Conversion:
    """The names of the layers that now train in int8, and why each other linear layer does not."""

    converted: tuple[str, ...]
    skipped: dict[str, str]


def convert(
    model: nn.Module,
    *,
    settings: Int8Settings = Int8Settings(),  # noqa: B008  (frozen)
    min_features: int = MIN_FEATURES,
    skip: Collection[str] = SKIPPED_NAMES,
) -> Conversion:
    """Let the linear layers of a model on the CPU train in int8, in place, where that can pay.

    Parameters stay the same objects under the same names, so optimizers, hooks and state dicts go on as they were.

    Args:
        model: changed in place; `revert` takes it back.
        settings: of every layer.
        min_features: smallest harmonic mean of a layer's input and output features.
        skip: full names, or last parts of names, of layers to leave alone.

    Raises:
        Refused: if the processor cannot multiply int8 matrices fast and exactly, or no layer qualifies.
    """
    reason = unsupported()
    if reason is not None:
        raise Refused(f"int8 training cannot help here: {reason}. Train in bfloat16 or float32.")
    choice = choose(model, min_features=min_features, skip=skip)
    if not choice.chosen:
        raise nothing_chosen(choice.skipped)
    for chosen in choice.chosen.values():
        layer: Any = chosen
        layer.__class__, layer.settings = Int8Linear, settings
    return Conversion(tuple(choice.chosen), dict(choice.skipped))


def revert(model: nn.Module) -> tuple[str, ...]:
    """Make every int8 layer a plain `nn.Linear` again, in place; return their names."""
    found = {name: layer for name, layer in model.named_modules() if isinstance(layer, Int8Linear)}
    for layer in found.values():
        plain: Any = layer
        for own in ("settings", "held"):
            plain.__dict__.pop(own, None)
        plain.__class__ = nn.Linear
    release_scratch()
    return tuple(found)
