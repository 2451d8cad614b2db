"""Lay short texts one behind the other into rows, instead of padding each to the longest.

What it does
    The texts of a batch, without their padding, fill rows of the batch's length, each text into the first row that has
    room for it. Targets that are ignored fill the ends. The batch has fewer rows; every text is still there once.

Why it helps
    A padded batch costs as if every text were as long as the longest. Packed rows are nearly full.

When it hurts
    Texts that nearly fill their rows. A model sees the texts before in the same row, unless it looks at single
    positions only; at the start of a text that is noise.

Numerics
    The loss counts the same targets. What the model says of a text may depend on those before it in the row.

Known problems
    Models with positions of their own see texts at other positions than 0. Validation is not packed.

Source
    Krell et al., 2021, arXiv:2107.02027; rows of several texts without a mask as in GPT-3 (Brown et al., 2020,
    arXiv:2005.14165).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.base.units import percent
from hasten.data.batch import Batch, map_inputs, target_of, tensors_of, with_target
from hasten.techniques.input.padding import LEAST_PADDING, lengths_of
from hasten.training.loss import CrossEntropy
from hasten.training.recipe import Recipe

_LOOK = 64  # samples


def rows_for(lengths: list[int], room: int) -> list[list[int]]:
    """Return which texts share a row of `room` tokens: each goes to the first row that has room for it."""
    rows: list[list[int]] = []
    left: list[int] = []
    for text, length in enumerate(lengths):
        place = next((row for row, free in enumerate(left) if free >= length), len(rows))
        if place == len(rows):
            rows.append([])
            left.append(room)
        rows[place].append(text)
        left[place] -= length
    return rows


@dataclass(frozen=True)
class Packed:
    """Turn a batch of padded texts into fewer, fuller rows.

    Args:
        padding: the token that fills up inputs.
        ignored: the target that counts for nothing.
    """

    padding: int
    ignored: int

    def __call__(self, batch: Batch, progress: float) -> Batch:
        targets = target_of(batch)
        lengths = lengths_of(targets, self.ignored).tolist()
        rows = rows_for(lengths, targets.shape[1])
        packed = map_inputs(batch, lambda column: self._laid(column, rows, lengths, self.padding))
        return with_target(packed, self._laid(targets, rows, lengths, self.ignored))

    def _laid(self, column: Tensor, rows: list[list[int]], lengths: list[int], filling: int) -> Tensor:
        out = column.new_full((len(rows), *column.shape[1:]), filling)
        for place, texts in enumerate(rows):
            joined = torch.cat([column[text, : lengths[text]] for text in texts])
            out[place, : len(joined)] = joined
        return out


@dataclass(frozen=True)
class SequencePacking:
    """Lay short texts one behind the other into rows."""

    padding: Annotated[int, Meta(description="the token that fills up short texts")] = 0

    card: ClassVar[Card] = Card(
        name="sequence_packing",
        stage=Stage.INPUT,
        guarantee=Guarantee.TRAJECTORY,
        idea="sequence packing: concatenate short texts into rows instead of padding each",
        source="Krell et al., 2021, arXiv:2107.02027",
        treats=("padding_waste",),
        needs=("padded texts with a target for each token", "a loss that ignores padding"),
        conflicts=("progressive_length", "length_bucketing", "infobatch"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse a loss that counts padding, data that are no padded texts, and texts that fill their rows."""
        loss = recipe.subject.loss
        if not isinstance(loss, CrossEntropy) or loss.ignore_index is None:
            return "the loss ignores no target, so padding would count: CrossEntropy(ignore_index=...)"
        batch = recipe.subject.raw_batch(_LOOK)
        targets = target_of(batch)
        if (
            not isinstance(targets, Tensor)
            or targets.ndim != 2
            or any(tensor.shape != targets.shape for tensor in tensors_of(batch))
        ):
            return "the data is not texts with a target for each token: (samples, length) inputs and targets"
        if not (targets == loss.ignore_index).any():
            return f"the data have no target that it ignores: the loss ignores {loss.ignore_index}"
        share = 1 - float(lengths_of(targets, loss.ignore_index).double().mean()) / targets.shape[1]
        if share < LEAST_PADDING:
            return f"only {percent(share)} of the targets are padding"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Pack the training batches."""
        loss = recipe.forward.loss
        ignored = loss.ignore_index if isinstance(loss, CrossEntropy) else None
        change = Packed(self.padding, -100 if ignored is None else ignored)
        return recipe.with_curriculum(change)
