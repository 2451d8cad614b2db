"""Compute every sample once, keep it in a checked store on the disk, and gather batches from there.

What it does
    At the first fetch, writes all samples to a store in the cache folder, under a fingerprint of their source. Every
    batch is then a gather from the store. Later runs reuse it.

Why it helps
    Decoding an image takes a thousand times as long as copying its pixels. From the second epoch on, and from the first
    in the next run, only the copy is left.

When it hurts
    Packing takes as long as an epoch of reading, and pixels take more space than their JPEG. Refused where the training
    ends before that pays off.

Numerics
    The same samples in the same order: every batch is equal bit for bit.

Known problems
    The fingerprint covers the attributes of a data set and the code of its class, not what its functions read from
    elsewhere; a method `fingerprint` replaces it. Opening a store compares a few samples with the data set. Data sets
    with random transforms are refused, since the store would freeze them.

Source
    tf.data's `snapshot` (RFC 193, 2020); FFCV (Leclerc et al., 2023, arXiv:2306.12517).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, ClassVar

from msgspec import Meta
from torch.utils.data import Dataset, default_collate

from hasten.base.cache_folder import cache_folder
from hasten.base.errors import BadInput
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.base.units import seconds
from hasten.data.loading.gather import why_not
from hasten.data.loading.loaders import Fetch
from hasten.data.packing.dataset_fingerprint import dataset_fingerprint, why_no_fingerprint
from hasten.data.packing.materialize import check_repeatable, some_places
from hasten.data.packing.pack_dataset import is_packed, packed
from hasten.techniques.input.sample_loading import no_own_loader
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class FromStore:
    """The loader that fetches from the stores of data sets in a folder."""

    cache: Path

    def __call__(self, dataset: Dataset[Any], batch_size: int) -> Fetch:
        fingerprint = dataset_fingerprint(dataset)
        if fingerprint is None:
            raise BadInput(f"a data set must have a fingerprint to be packed: {why_no_fingerprint(dataset)}.")
        return packed(dataset, batch_size, fingerprint=fingerprint, cache=self.cache)


@dataclass(frozen=True)
class PackedStore:
    """Compute every sample once and gather batches from a store."""

    longest_s: Annotated[float, Meta(gt=0, description="seconds that packing may take")] = 60.0

    card: ClassVar[Card] = Card(
        name="packed_store",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="cache preprocessed samples on disk and gather batches from there",
        source="tf.data's snapshot (RFC 193, 2020); Leclerc et al., 2023, arXiv:2306.12517",
        treats=("input_bound", "io_bound", "loader_cpu_bound"),
        needs=("samples that are always the same", "room on the disk"),
        conflicts=("batched_gather", "resident"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse what is in memory already, changes from read to read, cannot be told apart, or takes too long."""
        if reason := no_own_loader(recipe):
            return reason
        if recipe.subject.collate is not default_collate:
            return "the task's own collate function makes batches of single samples"
        datasets = recipe.subject.datasets()
        if all(why_not(dataset) is None for dataset in datasets):
            return "the samples can be gathered from where they are"
        for dataset in datasets:
            if reason := _cannot_be_packed(dataset):
                return reason
        return self._too_long(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader that reads the store in place of the per-sample one."""
        return recipe.with_input(loader=FromStore(cache_folder() / "stores"))

    def _too_long(self, recipe: Recipe) -> str | None:
        packing_s = sum(_packing_s(dataset) for dataset in recipe.subject.datasets())
        steps, per_epoch = recipe.subject.planned_steps, recipe.subject.steps_per_epoch
        if packing_s and steps is not None and per_epoch is not None and steps <= per_epoch:
            return "the training reads each sample at most once, so packing cannot pay off"
        if packing_s > self.longest_s:
            return f"packing would take about {seconds(packing_s)}, more than the {seconds(self.longest_s)} allowed"
        return None


def _cannot_be_packed(dataset: Dataset[Any]) -> str | None:
    if (unknown := why_no_fingerprint(dataset)) is not None:
        return unknown
    return _words(lambda: check_repeatable(dataset))  # type: ignore[arg-type]  (map-style, as `check` has seen)


def _words(look: Callable[[], None]) -> str | None:
    try:
        look()
    except BadInput as error:
        return str(error)
    return None


def _packing_s(dataset: Dataset[Any]) -> float:
    """Return about how many seconds it takes to pack a data set: none if its store is there."""
    fingerprint = dataset_fingerprint(dataset)
    if fingerprint is not None and is_packed(dataset, fingerprint, cache_folder() / "stores"):  # type: ignore[arg-type]
        return 0.0
    size = len(dataset)  # type: ignore[arg-type]
    places = some_places(size)
    begin = perf_counter()
    for place in places:
        dataset[place]
    return (perf_counter() - begin) / len(places) * size
