"""Time every way of fetching when the run starts, and use the fastest.

What it does
    For under a second it fetches batches in turn by the data set's own loop, by one gather, from the memory of the GPU,
    with threads, and in a process of its own, as far as the data set allows. The run then uses the fastest.

Why it helps
    Which way is the fastest depends on the samples and the machine: a gather for arrays, threads for images to decode,
    another process for samples computed in Python. Rules of thumb are often wrong; a trial is not.

When it hurts
    It takes most of a second at each start. It times fetching alone: threads and processes also take cores from the
    step, which only an experiment on the whole step shows.

Numerics
    The same samples in the same order: every batch is equal bit for bit.

Known problems
    Trial samples are read again and again, so a slow disk shows only the first time.

Source
    tf.data's AUTOTUNE (Murray et al., 2021, arXiv:2101.12127), which tunes the parts of one way instead.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.loading.tiers import FastestTier
from hasten.machine.facts import usable_cores
from hasten.techniques.input.sample_loading import cannot_be_seeded, cannot_gather, no_own_loader
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class FastestLoader:
    """Time every way of fetching and use the fastest."""

    share: Annotated[float, Meta(gt=0, lt=1, description="of the GPU's free memory that the data may take")] = 0.3

    card: ClassVar[Card] = Card(
        name="fastest_loader",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="time every loader when the run starts and use the fastest",
        source="after tf.data's AUTOTUNE (Murray et al., 2021, arXiv:2101.12127)",
        treats=("input_bound",),
        conflicts=(
            "batched_gather",
            "resident",
            "loader_threads",
            "loader_process",
            "loader_workers",
            "packed_store",
        ),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse recipes with another loader, what a gather serves, and samples that depend on the order of reading."""
        if reason := no_own_loader(recipe):
            return reason
        if recipe.device.is_host and cannot_gather(recipe) is None:
            return "the samples can be gathered from memory, where batched_gather is fastest"
        return cannot_be_seeded(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader that picks in place of the per-sample one."""
        loader = FastestTier(
            device=recipe.parallel.device, threads=usable_cores(), share=self.share, collate=recipe.subject.collate
        )
        return recipe.with_input(loader=loader)
