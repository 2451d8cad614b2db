"""What attention does between its two products: the torch functions that a chain takes in, and how."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from hasten.techniques.forward.attention.attention_expr import Chain

Function: TypeAlias = Callable[..., Any]


class Call:
    """One torch function on some scores: `function(*args, **options)`, the scores being `args[place]`."""

    def __init__(self, function: Function, args: Sequence[Any], options: Mapping[str, Any], place: int) -> None:
        self.function, self.args, self.options, self.position = function, tuple(args), dict(options), place

    def on(self, scores: Tensor) -> Any:
        """Make the call with other scores."""
        return self.function(*self.args[: self.position], scores, *self.args[self.position + 1 :], **self.options)

    def others(self) -> list[Tensor]:
        """Return the tensors that it reads besides the scores."""
        values = (*self.args[: self.position], *self.args[self.position + 1 :], *self.options.values())
        return [value for value in values if isinstance(value, Tensor)]


def _scaled_up(chain: Chain, call: Call) -> Chain | None:
    by = call.args[1 - call.position] if len(call.args) == 2 and not call.options else None
    return chain.scaled(by) if isinstance(by, int | float | Tensor) else None


def _scaled_down(chain: Chain, call: Call) -> Chain | None:
    by = call.args[1] if len(call.args) == 2 and not call.options and call.position == 0 else None
    return chain.scaled(1 / by) if isinstance(by, int | float | Tensor) else None


def _added(chain: Chain, call: Call) -> Chain | None:
    bias = call.args[1 - call.position] if len(call.args) == 2 and not call.options else None
    if not isinstance(bias, Tensor):
        return None
    made = chain.added(bias)
    return made and replace(made, dtype=torch.promote_types(chain.dtype, bias.dtype) if bias.ndim else chain.dtype)


def _number(value: Any) -> float | None:
    """Return a Python number, or that in a tensor of one element on the CPU; None for anything else."""
    if isinstance(value, Tensor):
        plain = value.ndim == 0 and value.is_cpu and not value.requires_grad
        return float(value) if plain else None
    return float(value) if isinstance(value, int | float) else None


def _filled(chain: Chain, call: Call) -> Chain | None:
    rest = {**dict(zip(("mask", "value"), call.args[1:], strict=False)), **call.options}
    masked, value = rest.get("mask"), _number(rest.get("value"))
    return chain.filled(masked, value) if isinstance(masked, Tensor) and value is not None else None


def _chosen(chain: Chain, call: Call) -> Chain | None:
    """`torch.where(kept, scores, low)`, or the other way round."""
    if call.function is Tensor.where or len(call.args) != 3 or call.options or call.position == 0:
        return None
    condition, value = call.args[0], _number(call.args[3 - call.position])
    if not isinstance(condition, Tensor) or condition.dtype is not torch.bool or value is None:
        return None
    return chain.filled(~condition if call.position == 1 else condition, value)


def _normalized(chain: Chain, call: Call) -> Chain | None:
    rest = {**dict(zip(("dim",), call.args[1:], strict=False)), **call.options}
    chosen = chain.normalized(rest["dim"]) if isinstance(rest.get("dim"), int) else None
    # On an empty tensor: the format that softmax gives, also under autocast.
    return chosen and replace(chosen, dtype=call.on(torch.empty((0,) * len(chain.shape), dtype=chain.dtype)).dtype)


def _undropped(chain: Chain, call: Call) -> Chain | None:
    """Dropout that drops nothing."""
    rest = {"p": 0.5, "training": True, "train": True}
    names = ("p", "train") if call.function is torch.dropout else ("p", "training", "inplace")
    rest |= {**dict(zip(names, call.args[1:], strict=False)), **call.options}
    if rest["p"] and rest["training"] and rest["train"]:
        chain.outcome(
            "dropout on its weights draws random numbers, which the fused kernel draws otherwise or not at all"
        )
        return None
    return chain


def _converted(chain: Chain, call: Call) -> Chain | None:
    """Another number format, which ends nothing: the kernel sums in float32 or wider whatever the format."""
    if call.position != 0:
        return None
    like = torch.empty(0, dtype=chain.dtype, device=chain.query.device)
    made = call.on(like)
    same = isinstance(made, Tensor) and made.device == like.device and made.is_floating_point()
    return replace(chain, dtype=made.dtype) if same else None


IN_PLACE = frozenset(
    {Tensor.mul_, Tensor.__imul__, Tensor.div_, Tensor.__itruediv__, Tensor.add_, Tensor.__iadd__, Tensor.masked_fill_}
)
MULTIPLY = (torch.mul, torch.multiply, Tensor.mul, Tensor.multiply, Tensor.__mul__, Tensor.__rmul__)
DIVIDE = (torch.div, torch.divide, torch.true_divide, Tensor.div, Tensor.divide, Tensor.true_divide, Tensor.__truediv__)
CONVERT = (Tensor.to, Tensor.float, Tensor.half, Tensor.bfloat16, Tensor.double, Tensor.type, Tensor.type_as)
ABSORBED: dict[Function, Callable[[Chain, Call], Chain | None]] = {
    **dict.fromkeys((*MULTIPLY, Tensor.mul_, Tensor.__imul__), _scaled_up),
    **dict.fromkeys((*DIVIDE, Tensor.div_, Tensor.__itruediv__), _scaled_down),
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.add_, Tensor.__iadd__), _added),
    **dict.fromkeys((torch.masked_fill, Tensor.masked_fill, Tensor.masked_fill_), _filled),
    **dict.fromkeys((torch.where, Tensor.where), _chosen),
    **dict.fromkeys((F.softmax, torch.softmax, Tensor.softmax, torch.special.softmax), _normalized),
    **dict.fromkeys((F.dropout, torch.dropout), _undropped),
    **dict.fromkeys((*CONVERT, Tensor.contiguous), _converted),
}
"""Torch function -> what it makes of a chain, or None where it ends it."""
