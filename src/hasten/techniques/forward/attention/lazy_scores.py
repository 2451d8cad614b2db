"""A tensor of attention scores that is not computed until something other than attention is done with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.techniques.forward.attention.attention_expr import Chain, attended
from hasten.techniques.forward.attention.pattern_ops import ABSORBED, IN_PLACE, Call, Function
from hasten.techniques.forward.attention.products import PRODUCTS, Product, product_of


class Scores(Tensor):
    """Scores that know how they are computed; shape, number format and device are those that they will have.

    What attention does with scores is recorded (`chain`); the product with the values is then fused attention.
    Anything else computes the scores as written, once, and continues with plain tensors.
    """

    chain: Chain
    made: Tensor | None

    @staticmethod
    def __new__(cls: type["Scores"], chain: Chain) -> "Scores":
        # Documented for tensor subclasses in spite of its underscore; a test pins it.
        made: Any = Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            cls, chain.shape, dtype=chain.dtype, device=chain.query.device
        )
        made.chain, made.made = chain, None
        return made

    @classmethod
    def __torch_function__(
        cls, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Record the call, or compute the scores and make it."""
        options = kwargs or {}
        if func in METADATA:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **options)
        result = recorded(func, args, options)
        if result is not None:
            return result
        args, options = computed(tuple(args)), {name: computed(value) for name, value in options.items()}
        return func(*args, **options)

    @classmethod
    def __torch_dispatch__(
        cls, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute the scores for a call that bypassed torch's functions."""
        return func(*computed(tuple(args)), **{name: computed(value) for name, value in (kwargs or {}).items()})


METADATA = frozenset(
    {
        *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "is_cuda", "layout")),
        *(Tensor.size, Tensor.dim, Tensor.numel, Tensor.__len__, Tensor.is_floating_point, torch.is_floating_point),
    }
)
"""Functions whose result is known without computing the scores."""


def computed(value: Any) -> Any:
    """Return a value with every `Scores` in it computed as it was written."""
    if isinstance(value, Scores):
        if value.made is None:
            unchanged(value.chain)
            if value.chain.weights:
                value.chain.outcome("something else is done with its weights than the product with the values")
            value.made = value.chain.plain()
        return value.made
    if isinstance(value, tuple | list):
        return type(value)(computed(one) for one in value)  # pyright: ignore[reportUnknownVariableType]
    return value


def unchanged(chain: Chain) -> None:
    """Refuse to compute from tensors that were changed in place since the call that used them.

    Raises:
        BadInput: if one was.
    """
    for tensor, version in chain.versions:
        if tensor._version != version:
            raise BadInput(
                f"an input of attention, of shape {tuple(tensor.shape)}, was changed in place before the product with "
                "the values. Leave the technique sdpa out of the plan."
            )


def versions(tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, int], ...]:
    """Return tensors with their versions; inference tensors have none, and cannot be changed where it matters."""
    return tuple((one, one._version) for one in tensors if not one.is_inference())


def autocast_state(device: str) -> tuple[bool, torch.dtype]:
    """Return whether autocast is on for a type of device, and to which format."""
    return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)


def as_now(function: Callable[[], Tensor], device: str) -> Callable[[], Tensor]:
    """Return the function as it would run now: with gradients and autocast on or off as they are."""
    gradients, (cast, kind) = torch.is_grad_enabled(), autocast_state(device)

    def run() -> Tensor:
        with torch.set_grad_enabled(gradients), torch.autocast(device, dtype=kind, enabled=cast):
            return function()

    return run


def recorded(func: Function, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Return the scores, or the output of attention, that a call leads to; None where it is not part of attention."""
    positions = [position for position, value in enumerate(args) if isinstance(value, Scores)]
    if len(positions) != 1 or any(isinstance(value, Scores) for value in options.values()):
        return None
    scores: Scores = args[positions[0]]
    if scores.made is not None or torch.is_grad_enabled() != scores.chain.gradients:
        return None
    if func in PRODUCTS:
        product = product_of(func, args, options)
        return None if product is None or product.left is not scores else fused(scores, product)
    return absorbed(scores, Call(func, args, options, positions[0]))


def absorbed(scores: Scores, call: Call) -> Scores | None:
    """Return the scores after an operation that attention can take in, or None where it cannot."""
    before, absorb = scores.chain, ABSORBED.get(call.function)
    after = absorb(before, call) if absorb else None
    if after is None:
        return None
    unchanged(before)
    chain = replace(
        after,
        plain=as_now(lambda: call.on(before.plain()), before.query.device.type),
        versions=(*before.versions, *versions(call.others())),
    )
    if call.function in IN_PLACE:
        scores.chain = replace(chain, dtype=before.dtype)
        return scores
    return Scores(chain)


def fused(scores: Scores, product: Product) -> Tensor | None:
    """Return the product of weights and values by fused attention, or None where the kernel does not take them."""
    chain, value = scores.chain, product.right
    lead, keys = chain.shape[:-2], chain.shape[-1]
    if not chain.weights or value.shape != (*lead, keys, chain.query.shape[-1]):
        return None
    if autocast_state(value.device.type) != chain.autocast or chain.query.dtype != value.dtype:
        return None
    unchanged(chain)
    chain.outcome(None)
    return product.arranged(attended(chain, value))
