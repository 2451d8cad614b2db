"""The same recipe in float64: what the baseline would compute if it did not round."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn

from hasten.data.batch import Batch, map_tensors
from hasten.training.recipe import Recipe


def to_double(model: nn.Module) -> nn.Module:
    """Convert the model's floating-point parameters and buffers to float64, in place."""
    return model.double()


def to_single(model: nn.Module) -> nn.Module:
    """Convert the model's floating-point parameters and buffers to float32, in place."""
    return model.float()


def batch_to_double(batch: Batch) -> Batch:
    """Return the batch with its floating-point columns in float64."""
    return map_tensors(batch, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


@contextmanager
def double_by_default() -> Generator[None]:
    """Let tensors that the model makes itself be float64, for the body."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def in_float64(recipe: Recipe) -> Recipe:
    """Return the recipe computed in float64 from the same float32 initialization and data.

    Meant for a baseline: a technique that asks for another number format would still get it.
    """
    recipe = recipe.with_batch_transform(batch_to_double).with_surgery(to_double, undo=to_single)
    return recipe.with_context(double_by_default)
