"""The same recipe in float64: what the baseline would compute if it did not round."""

import copy
import functools
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from hasten.data.batch import Batch
from hasten.data.tree import mapped
from hasten.training.calls import Function
from hasten.training.recipe import Recipe


def to_double(model: nn.Module) -> nn.Module:
    """Convert the model's parameters and buffers to float64 and complex128, in place."""
    return model._apply(_wider)


def to_single(model: nn.Module) -> nn.Module:
    """Convert the model's parameters and buffers to float32 and complex64, in place."""
    return model._apply(_narrower)


def batch_to_double(batch: Batch) -> Batch:
    """Return the batch with its numbers in float64 and complex128, also those that an opaque leaf holds."""
    return mapped(batch, _wider, _opaque_to_double)


def _opaque_to_double(leaf: Any) -> Any:
    """Return a graph batch, a `PackedSequence` or the like with its numbers in float64; the given one stays."""
    if isinstance(leaf, tuple) and hasattr(leaf, "_make"):
        return leaf._make(batch_to_double(part) for part in leaf)  # type: ignore[attr-defined]  (of every namedtuple)
    made = copy.copy(leaf)
    held = getattr(made, "__dict__", {})
    held.update({name: batch_to_double(value) for name, value in held.items()})
    return made


@contextmanager
def double_by_default() -> Generator[None]:
    """Let tensors that the model makes itself be float64, for the body."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def with_own_tensors(function: Function) -> Function:
    """Return a loss, (output, batch) -> Loss, that takes an output in float64 beside float32 tensors of its own.

    Class weights or a matrix of costs, held as attributes, in a closure or a partial, are converted as they are used,
    which is exact. The forward pass is returned as it is: what it rounds to float32 would spoil the reference.
    """

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        if isinstance(args[0], nn.Module):
            return function(*args)
        with _Promoting():
            return function(*args)

    return wrapped


class _Promoting(TorchFunctionMode):
    """Call an operation that refuses float64 beside float32 once more, all in float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        try:
            return func(*args, **options)
        except (RuntimeError, ValueError):
            kinds = {leaf.dtype for leaf in tree_leaves((args, options)) if isinstance(leaf, Tensor)}
            if not {torch.float32, torch.float64} <= kinds:
                raise
            args, options = tree_map(_doubled, (args, options))
            return func(*args, **options)


def _wider(value: Tensor) -> Tensor:
    if value.is_complex():
        return value.to(torch.complex128)
    return value.double() if value.is_floating_point() else value


def _narrower(value: Tensor) -> Tensor:
    if value.is_complex():
        return value.to(torch.complex64)
    return value.float() if value.is_floating_point() else value


def _doubled(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.dtype is torch.float32 else value


def in_float64(recipe: Recipe) -> Recipe:
    """Return the recipe computed in float64 from the same float32 initialization and data.

    Meant for a baseline: a technique that asks for another number format would still get it.
    """
    recipe = recipe.with_batch_transform(batch_to_double).with_surgery(to_double, undo=to_single)
    return recipe.with_context(double_by_default).wrap(with_own_tensors)
