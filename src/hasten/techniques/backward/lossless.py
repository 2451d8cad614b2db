"""What autograd saves, kept once and in bits: the sign of ReLUs, and one copy of what is equal."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from hasten.base.errors import BadInput
from hasten.techniques.backward.bits import from_bits, to_bits
from hasten.techniques.blocks import Forward, wrap_forward

COMPARED_FIRST = 64
"""Elements, evenly spread, that must be equal before two tensors are compared whole."""
BITS_OF_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of an element -> integers of its bits: signs of zeros, and what is not a number, count as well."""


class _BitReLU(torch.autograd.Function):
    """ReLU that keeps one bit of each number for the backward pass; torch keeps the result."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        made = values.relu()
        # As torch does it: what is not a number passes its gradient on.
        ctx.save_for_backward(to_bits(~(made <= 0)))
        ctx.shape = made.shape
        return made

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (bits,) = ctx.saved_tensors
        return torch.where(from_bits(bits, ctx.shape), slopes[0], torch.zeros_like(slopes[0]))


def in_bits(layer: nn.Module, forward: Forward) -> Forward:
    """Return the forward pass of a ReLU that keeps bits, where there will be a backward pass."""
    return _bit_relu if torch.is_grad_enabled() else forward


def _bit_relu(layer: nn.Module, values: Tensor) -> Tensor:
    made: Any = _BitReLU.apply(values)  # apply() is untyped in torch
    return made


def lone_relus(model: nn.Module, run: Callable[[], Any]) -> list[str]:
    """Return the names of the ReLU layers whose result nothing but their own backward pass keeps.

    A linear layer behind a ReLU keeps the very same tensor as its input: there, bits would come on top of it.

    Args:
        model: what `run` calls; its hooks are taken off again.
        run: makes one forward pass with gradients.
    """
    results: list[tuple[str, Tensor]] = []
    kept: list[Tensor] = []  # alive to the end, so that no address is used twice

    def note(name: str) -> Callable[..., None]:
        return lambda layer, given, made: results.append((name, made.detach()))

    relus = [(name, one) for name, one in model.named_modules() if type(one) is nn.ReLU and not one.inplace]
    hooks = [one.register_forward_hook(note(name)) for name, one in relus]
    try:
        with saved_tensors_hooks(lambda tensor: kept.append(tensor.detach()) or tensor, lambda tensor: tensor):
            output = run()
    finally:
        for hook in hooks:
            hook.remove()
    del output
    places = Counter(one.untyped_storage().data_ptr() for one in kept)
    alone = {name: True for name, _ in results}
    for name, made in results:
        alone[name] &= places[made.untyped_storage().data_ptr()] == 1
    return [name for name in alone if alone[name]]


def keep_bits(model: nn.Module, names: list[str]) -> nn.Module:
    """Let these ReLU layers keep bits, in place."""
    for name in names:
        wrap_forward(model.get_submodule(name), in_bits)
    return model


class Known:
    """The tensors of one forward pass that are kept as they are, to find another one of the same bits.

    What is found is checked when it is used: nobody may have changed it in place in between.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def same(self, tensor: Tensor) -> Callable[[], Tensor] | None:
        """Return how to get a tensor of the same bits that is kept already, in other memory; or None, and keep it."""
        bits = BITS_OF_SIZE.get(tensor.element_size())
        if bits is None or not tensor.is_contiguous():
            return None
        codes = tensor.view(-1).view(bits)
        few = codes[:: max(1, codes.numel() // COMPARED_FIRST)]
        kind = (tensor.shape, tensor.dtype, tensor.device, tuple(few.tolist()))
        one = self._kept.setdefault(kind, tensor)
        elsewhere = one.data_ptr() != tensor.data_ptr()
        return _unchanged(one) if elsewhere and torch.equal(one.view(-1).view(bits), codes) else None


def _unchanged(tensor: Tensor) -> Callable[[], Tensor]:
    version = tensor._version

    def get() -> Tensor:
        if tensor._version != version:
            raise BadInput(
                f"what is kept for the backward pass must stay as it is; found a tensor of shape {tuple(tensor.shape)} "
                "that was changed in place after another of the same numbers was saved. "
                "Leave the technique lossless_saved out of the plan."
            )
        return tensor

    return get
