"""Shuffle blocks of neighboring samples instead of single ones, where the data do not fit in memory.

What it does
    Runs of `block` samples that lie side by side are read together; `blocks` of them make a window whose samples are
    shuffled among each other. Both the order of the blocks and that in a window are new in every epoch.

Why it helps
    A disk reads long stretches many times faster than single samples from everywhere, and what does not fit in memory
    has to be read anew in every epoch.

When it hurts
    Samples that are neighbors in the file come in the same window: sorted files (all of a class together) need large
    windows.

Numerics
    Other samples meet in a batch.

Known problems
    Whether the data fit is estimated from the first sample.

Source
    Quasi-random sampling of FFCV (Leclerc et al., 2023, arXiv:2306.12517).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch.utils.data import TensorDataset, default_collate

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.base.units import nbytes
from hasten.data.loading.order import block_shuffled
from hasten.techniques.input.own_order import order_is_taken
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class BlockShuffle:
    """Shuffle blocks of neighboring samples."""

    block: Annotated[int, Meta(ge=1, description="neighboring samples that are read together")] = 128
    blocks: Annotated[int, Meta(ge=1, description="blocks whose samples are shuffled among each other")] = 64

    card: ClassVar[Card] = Card(
        name="block_shuffle",
        stage=Stage.INPUT,
        guarantee=Guarantee.TRAJECTORY,
        idea="shuffle in blocks: read neighboring samples together when the data does not fit in memory",
        source="Leclerc et al., 2023, arXiv:2306.12517",
        treats=("io_bound",),
        needs=("data larger than the memory",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse data that are in memory or fit there, full batches, and recipes with another order."""
        if (reason := order_is_taken(recipe)) is not None:
            return reason
        data = recipe.subject.train_data()
        if isinstance(data, TensorDataset):
            return "the samples are in memory already"
        sample = default_collate([data[0]])
        size = len(data) * sum(torch.as_tensor(column).nbytes for column in sample)  # type: ignore[arg-type]
        if size <= machine.memory_bytes:
            return f"the data take {nbytes(size)}, and the memory of {nbytes(machine.memory_bytes)} holds them"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the order of blocks in place of the random one."""
        order = partial(block_shuffled, block=self.block, blocks=self.blocks)
        return recipe.with_input(order=order)

    def source(self, recipe: Recipe) -> Source:
        """Return the order of blocks."""
        order = f"block_shuffled(samples, seed=SEED, epoch=epoch, block={self.block}, blocks={self.blocks})"
        return Source(copies=(block_shuffled,), order=order)
