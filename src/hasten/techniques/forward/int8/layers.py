"""Which linear layers of a model are worth training in int8, and why the others are not."""

from collections.abc import Collection
from dataclasses import dataclass, field

from torch import nn

from hasten.base.errors import Refused
from hasten.techniques.forward.int8.linear import FORMATS
from hasten.techniques.forward.int8.product import LONGEST_SUM
from hasten.techniques.forward.int8.support import SMALLEST_SIZE

MIN_FEATURES = 320
"""Harmonic mean of input and output features: it is to them as the work of the products to that of quantizing."""
SKIPPED_NAMES = frozenset({"lm_head", "head", "classifier", "router", "gate"})
"""Last parts of layer names that are left alone: nothing averages the errors of an output layer or of a router."""


@dataclass(frozen=True)
class Choice:
    """The layers that qualify, by name, and why each other linear layer does not."""

    chosen: dict[str, nn.Linear] = field(default_factory=dict[str, nn.Linear])
    skipped: dict[str, str] = field(default_factory=dict[str, str])


def choose(
    model: nn.Module,
    *,
    device: str = "cpu",
    min_features: int = MIN_FEATURES,
    skip: Collection[str] = SKIPPED_NAMES,
) -> Choice:
    """Return which linear layers of a model qualify for int8 training.

    Args:
        model: not changed.
        device: type of the device that the layers must be on.
        min_features: smallest harmonic mean of input and output features: below it, quantizing costs more than int8
            saves.
        skip: full names, or last parts of names, of layers to leave alone.

    Raises:
        Refused: if no layer qualifies; the message says why of each.
    """
    shared, choice = shared_parameters(model), Choice()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            why = why_not(layer, name, device=device, min_features=min_features, skip=skip)
            why = why or shared.get(id(layer.weight))
            if why is None:
                choice.chosen[name] = layer
            else:
                choice.skipped[name] = why
    if not choice.chosen:
        raise nothing_chosen(choice.skipped)
    return choice


def nothing_chosen(skipped: dict[str, str]) -> Refused:
    """Return the error for a model of which no layer is left."""
    told = "; ".join(f"{name or 'it'}: {why}" for name, why in skipped.items()) or "it has no linear layer"
    return Refused(f"int8 training cannot help this model: {told}.")


def why_not(layer: nn.Linear, name: str, *, device: str, min_features: int, skip: Collection[str]) -> str | None:
    """Return why a linear layer, judged by itself, is not trained in int8, or None."""
    last, K, N = name.rpartition(".")[2], layer.in_features, layer.out_features
    if type(layer) is not nn.Linear:
        return f"it is a {type(layer).__name__}, which may compute something else than nn.Linear"
    if type(layer.weight) is not nn.Parameter:
        return f"its weight is a {type(layer.weight).__name__}, not a plain parameter"
    if name in skip or last in skip:
        return f"{name if name in skip else last!r} is on the list of names to skip"
    if min(K, N) < SMALLEST_SIZE:
        return f"{K} -> {N} features; int8 products are safe from {SMALLEST_SIZE} on"
    mean = 2 * K * N / (K + N)
    if mean < min_features:
        return (
            f"{K} -> {N} features, {mean:.0f} in the harmonic mean; below {min_features} int8 saves less than it costs"
        )
    if max(K, N) > LONGEST_SUM:
        return f"{K} -> {N} features; a sum of more than {LONGEST_SUM} products may overflow 32 bits"
    if layer.weight.device.type != device:
        return f"it is on {layer.weight.device}, not on {device}"
    if layer.weight.dtype not in FORMATS:
        return f"its weight is {str(layer.weight.dtype).removeprefix('torch.')}, not float32 or bfloat16"
    return None


def shared_parameters(model: nn.Module) -> dict[int, str]:
    """Return, for the id of each parameter that several modules hold, who they are."""
    holders = dict[int, list[str]]()
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            holders.setdefault(id(parameter), []).append(name)
    return {key: f"its weight is shared by {', '.join(names)}" for key, names in holders.items() if len(names) > 1}
