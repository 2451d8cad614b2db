"""Keep images with their channels innermost, the layout that convolution kernels compute in.

What it does
    Converts the weights of convolutions and every 4-dimensional batch column to torch's channels-last memory format.

Why it helps
    oneDNN and cuDNN compute in channels-last; with the default layout they reorder inputs, outputs and gradients of
    every convolution.

When it hurts
    Models with few or no convolutions, and models that force a layout with `.contiguous()` or `.view()`.

Numerics
    The same mathematics, summed in another order. On a CPU torch's batch norm sums this layout term by term instead of
    in pieces: the gradient of a convolution before it can be off by 1e-4 of its size, ten times the baseline's own
    error. That is more than rounding, so its guarantee is that of a narrower number format.

Known problems
    The layout is a property of strides: shapes and `state_dict` stay the same.

Source
    PyTorch tutorial "Channels Last Memory Format" (2020); pytorch pull request 48922 for the CPU.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch, map_tensors
from hasten.techniques.source import Source
from hasten.training.effects import Seen, kept_channels_last
from hasten.training.recipe import Recipe


def to_channels_last(model: nn.Module) -> nn.Module:
    """Convert the model's 4-dimensional parameters and buffers, in place."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def to_contiguous(model: nn.Module) -> nn.Module:
    """Convert the model's parameters and buffers back to the default layout, in place."""
    return model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def batch_to_channels_last(batch: Batch) -> Batch:
    """Return the batch with its 4-dimensional columns in channels-last layout."""
    return map_tensors(batch, lambda one: one if one.ndim != 4 or is_channels_last(one) else _laid_out(one))


def is_channels_last(images: Tensor) -> bool:
    """Return whether (batch, channels, height, width) is in channels-last layout to torch's kernels.

    To torch one channel is in every layout, but its kernels choose by the strides, those of one channel included.
    """
    return images.is_contiguous(memory_format=torch.channels_last) and images.stride(1) == 1


def _laid_out(images: Tensor) -> Tensor:
    if images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    _, _, height, width = images.shape
    return images.contiguous().as_strided(images.shape, (height * width, 1, width, 1))


@dataclass(frozen=True)
class ChannelsLast:
    """Keep images with their channels innermost."""

    card: ClassVar[Card] = Card(
        name="channels_last",
        stage=Stage.FORWARD,
        guarantee=Guarantee.PRECISION,
        idea="channels-last memory layout, which convolution kernels prefer",
        source="PyTorch tutorial 'Channels Last Memory Format' (2020)",
        treats=("low_compute_efficiency",),
        needs=("a model with 2-dimensional convolutions",),
        exploits=("channels_last convolution",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without 2-dimensional convolutions."""
        if not any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in recipe.subject.model().modules()):
            return "the model has no 2-dimensional convolution"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Convert the model before training and each batch on delivery."""
        return recipe.with_batch_transform(batch_to_channels_last).with_surgery(to_channels_last, undo=to_contiguous)

    def effect(self, seen: Seen) -> str | None:
        """Expect convolutions beyond the first to get their input in that layout."""
        return kept_channels_last(seen)

    def source(self, recipe: Recipe) -> Source:
        """Return the new layout of the model and of each batch."""
        return Source(
            copies=(to_channels_last, to_contiguous, batch_to_channels_last),
            model="model = to_channels_last(model)",
            prepare="batch = batch_to_channels_last(batch)",
            undo="to_contiguous(model)",
        )
