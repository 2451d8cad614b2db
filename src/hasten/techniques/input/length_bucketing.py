"""Put texts of similar length into one batch, and cut off the padding that all of them have.

What it does
    Stretches of `batches` random batches are sorted by length and cut into batches anew, which then come in random
    order. Each batch, in validation too, loses the columns that are padding in all its samples.

Why it helps
    A batch is as long as its longest sample. Where most are much shorter, most of the work is done on padding.

When it hurts
    Lengths that hardly differ. Compiled code and cached kernels are made anew for every length.

Numerics
    Other samples meet in a batch. The loss of each is the same: it is refused where cutting padding off changes what
    the model says.

Known problems
    Batches hold samples of like length, which may be of like class. Two runs with other batch sizes have other orders.

Source
    Khomenko et al., 2016, arXiv:1708.05604; Sequence bucketing as in tf.data's `bucket_by_sequence_length`.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

import torch
from msgspec import Meta
from torch import Tensor
from torch.utils.data import Dataset

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.base.units import percent
from hasten.data.batch import Batch, changed_in_turn, first_input, select, target_of
from hasten.data.loading.gather import take
from hasten.data.loading.order import bucketed, shuffled
from hasten.techniques.input.own_order import order_is_taken
from hasten.techniques.input.padding import cut_padding, least_padding, lengths_of
from hasten.techniques.input.sample_loading import cannot_gather
from hasten.training.recipe import Recipe

_PORTION = 4096  # samples
_TRIED = 4  # samples
_SAME = 1e-4  # of the largest output: rounding differs with the length


@dataclass(frozen=True)
class Buckets:
    """The order of an epoch in batches of similar length."""

    dataset: Dataset[Any]
    padding: int
    batch_size: int
    batches: int

    def __call__(self, num_samples: int, *, seed: int, epoch: int) -> Tensor:
        order = shuffled(num_samples, seed=seed, epoch=epoch)
        return bucketed(order, self.lengths, batch_size=self.batch_size, batches=self.batches, seed=seed, epoch=epoch)

    @cached_property
    def lengths(self) -> Tensor:
        """The length of each sample without its padding, (samples,) int64."""
        portions = torch.arange(len(self.dataset)).split(_PORTION)  # type: ignore[arg-type]
        return torch.cat([lengths_of(take(self.dataset, ids)[0], self.padding) for ids in portions])


@dataclass(frozen=True)
class LengthBucketing:
    """Put texts of similar length into one batch and cut off their padding."""

    padding: Annotated[int, Meta(description="the token that fills up short texts")] = 0
    batches: Annotated[int, Meta(ge=2, description="random batches that are sorted by length together")] = 50

    card: ClassVar[Card] = Card(
        name="length_bucketing",
        stage=Stage.INPUT,
        guarantee=Guarantee.TRAJECTORY,
        idea="batch texts of similar length and trim their padding",
        source="Khomenko et al., 2016, arXiv:1708.05604",
        treats=("padding_waste",),
        needs=("padded texts with one target each", "a model that passes over padding"),
        conflicts=("block_shuffle", "batch_size"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse data that are no padded texts, have little padding, or a model to which padding is not nothing."""
        if (reason := order_is_taken(recipe)) is not None:
            return reason
        data = recipe.subject.train_data()
        if reason := cannot_gather(recipe):
            return f"their lengths would take a pass over all samples: {reason}"
        batch = take(data, torch.arange(min(_PORTION, len(data))))  # type: ignore[arg-type]
        tokens = first_input(batch)
        if tokens.ndim != 2 or tokens.is_floating_point() or target_of(batch).ndim != 1:
            return "the data is not texts with one target each: (samples, length) whole numbers and (samples,) targets"
        lengths = lengths_of(tokens, self.padding)
        if (reason := least_padding(lengths, tokens.shape[1], self.padding)) is not None:
            return reason
        return _changed_by_cutting(recipe, select(batch, lengths.argsort()[:_TRIED]), self.padding)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the order in place and cut padding off every batch."""
        order = Buckets(recipe.subject.train_data(), self.padding, recipe.input.batch_size, self.batches)
        cut = partial(cut_padding, padding=self.padding)
        return recipe.with_input(order=order).with_batch_transform(cut)


def _changed_by_cutting(recipe: Recipe, batch: Batch, padding: int) -> str | None:
    """Return why the shortest texts are not the same to the model without their padding, or None if they are."""
    batch = changed_in_turn(batch, recipe.input.batch_transforms)
    model = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        long = recipe.forward.predict(model, batch)
        try:
            short = recipe.forward.predict(model, cut_padding(batch, padding=padding))
        except (RuntimeError, ValueError) as error:
            return f"the model does not take shorter texts ({str(error).splitlines()[0]})"
    if not isinstance(long, Tensor) or not isinstance(short, Tensor) or long.shape != short.shape:
        return "the model's output has another shape without padding"
    change = float((long - short).abs().max() / long.abs().max().clamp(min=1e-9))
    return (
        f"padding is not nothing to the model: without it the output changes by {percent(change)}"
        if (change > _SAME)
        else None
    )
