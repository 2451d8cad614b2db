"""Hand images over with their channels innermost, and leave the model as it is.

What it does
    Lays every 4-dimensional column of a batch out in torch's channels-last memory format, where it is made.

Why it helps
    Convolutions compute in the layout of their input, and their output has it too: from the first one on the whole
    network works in the layout that oneDNN and cuDNN want. With `prefetch` the copy is made beside the step.

When it hurts
    Weights are still reordered in every step, which `channels_last` saves. Models that begin with something else than a
    convolution, or force a layout, gain nothing.

Numerics
    The same mathematics, summed in another order; see `channels_last` for batch norm on a CPU.

Known problems
    The layout is a property of strides: shapes stay the same.

Source
    PyTorch tutorial "Channels Last Memory Format" (2020).
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import changed_in_turn, tensors_of
from hasten.techniques.forward.channels_last import batch_to_channels_last, is_channels_last
from hasten.techniques.source import Source
from hasten.training.effects import Seen, kept_channels_last
from hasten.training.recipe import Recipe

_LOOK = 2  # samples


@dataclass(frozen=True)
class ChannelsLastDelivery:
    """Hand images over with their channels innermost."""

    card: ClassVar[Card] = Card(
        name="channels_last_delivery",
        stage=Stage.INPUT,
        guarantee=Guarantee.PRECISION,
        idea="deliver images in channels-last layout; the model stays as it is",
        source="PyTorch tutorial 'Channels Last Memory Format' (2020)",
        treats=("low_compute_efficiency",),
        needs=("images", "a model with 2-dimensional convolutions"),
        conflicts=("channels_last",),
        saves_in=Stage.FORWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without 2-dimensional convolutions, and batches without images or in that layout already."""
        if not any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in recipe.subject.model().modules()):
            return "the model has no 2-dimensional convolution"
        with preserved():
            batch = changed_in_turn(recipe.subject.raw_batch(_LOOK), recipe.input.batch_transforms)
        images = [column for column in tensors_of(batch) if column.ndim == 4]
        if not images:
            return "the batches have no images: (batch, channels, height, width)"
        if all(map(is_channels_last, images)):
            return "the batches come in that layout already"
        if all(column.shape[1] == 1 for column in images):
            return "the images have one channel, where `channels_last` gains as much"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Lay the batches out."""
        return recipe.with_batch_transform(batch_to_channels_last)

    def effect(self, seen: Seen) -> str | None:
        """Expect convolutions beyond the first to get their input in that layout."""
        return kept_channels_last(seen)

    def source(self, recipe: Recipe) -> Source:
        """Return the new layout of each batch."""
        return Source(copies=(batch_to_channels_last,), prepare="batch = batch_to_channels_last(batch)")
