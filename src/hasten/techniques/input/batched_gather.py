"""Fetch each batch by one gather instead of one Python call per sample.

What it does
    Replaces the per-sample loop of torch's `DataLoader` by one `index_select` per column of the data set.

Why it helps
    A small sample costs the usual loader microseconds of Python, indexing and stacking; a gather costs a memory copy.
    On arrays in memory it fetches 10 to 40 times as many samples a second.

When it hurts
    Never in speed. It cannot serve data sets that compute a sample in Python (decoding, random transforms).

Numerics
    The same samples in the same order: every batch is equal bit for bit.

Known problems
    Worker processes are not used; on small samples they cost more than they give.

Source
    The batched `__getitems__` protocol of torch.utils.data (pytorch pull request 84068, 2022); measured in
    pytorch issue 106704, "in-memory data sets are extremely slow".
"""

from dataclasses import dataclass
from typing import ClassVar

from torch.utils.data import Subset

from hasten.base.errors import Refused
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.datasets import Takeable
from hasten.data.loading.loaders import gathered
from hasten.techniques.input.sample_loading import cannot_gather, changes_its_data, no_own_loader
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class BatchedGather:
    """Fetch each batch by one gather."""

    card: ClassVar[Card] = Card(
        name="batched_gather",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="fetch each batch with one gather instead of one Python call per sample",
        source="pytorch pull request 84068 (2022); pytorch issue 106704",
        treats=("input_bound",),
        needs=("a data set whose samples can be gathered: tensors, or one with `take(ids)`",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse other loaders, and data sets that read one sample at a time or change when they are read."""
        if reason := no_own_loader(recipe):
            return reason
        return cannot_gather(recipe) or changes_its_data(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the gathering loader in place of the per-sample one."""
        return recipe.with_input(loader=gathered)

    def source(self, recipe: Recipe) -> Source:
        """Return the gather of a batch."""
        data = recipe.subject.train_data()
        if isinstance(data, Subset):
            raise Refused("the samples are a Subset of another data set")
        return Source(
            fetch="data.take(ids)" if isinstance(data, Takeable) else "tuple(column[ids] for column in data.tensors)"
        )
