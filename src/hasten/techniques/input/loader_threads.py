"""Read the samples of a batch with several threads, or in a process beside the training.

What it does
    `loader_threads` reads the samples of each batch with `threads` threads (0: the physical cores). `loader_process`
    does so in one other process, which hands batches over through shared memory, two of them made ahead.

Why it helps
    Decoding images and reading files release Python's lock, so threads work side by side. What computes in Python holds
    the lock: another process has a lock of its own, and the step no longer waits for it.

When it hurts
    Threads and processes take cores from the step. Small samples cost more to hand between threads or processes than to
    make: there one gather is 20 to 40 times faster than any of this.

Numerics
    The same samples in the same order: every batch is equal bit for bit.

Known problems
    The process starts anew with every epoch, and everything that the data set holds goes to it. It is one with threads
    and not several: each further one costs memory and cores and gains little.

Source
    SPDL (Meta, 2024), whose own case study found threads beside the step to halve its rate and threads in one other
    process to mend that; torch.utils.data.DataLoader.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.loading.decode import in_process, in_threads
from hasten.data.loading.gather import why_not
from hasten.data.loading.loaders import Loader, per_sample
from hasten.machine.facts import usable_cores
from hasten.techniques.input.global_draws import REASON, fetching_draws
from hasten.training.recipe import Recipe

Threads = Annotated[int, Meta(ge=0, le=256, description="threads that read samples; 0 for the physical cores")]


def _refused(recipe: Recipe) -> str | None:
    if recipe.input.loader is not per_sample:
        return "the batches do not come from the per-sample loader (a full batch is built only once)"
    if why_not(recipe.task.data.train) is None:
        return "the samples can be gathered, which costs less than to hand them from one thread to another"
    return REASON if fetching_draws(recipe) else None


def _loading(recipe: Recipe, loader: Loader) -> Recipe:
    return recipe.with_input(loader=loader)


@dataclass(frozen=True)
class LoaderThreads:
    """Read the samples of a batch with several threads."""

    threads: Threads = 0

    card: ClassVar[Card] = Card(
        name="loader_threads",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="read the samples of a batch with several threads",
        source="SPDL (Meta, 2024)",
        treats=("input_bound",),
        needs=("samples that do not depend on the order of reading",),
        conflicts=("batched_gather", "resident", "loader_process", "packed_store"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse recipes with another loader, and samples that depend on the order of reading."""
        return _refused(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader with threads in place of the per-sample one."""
        return _loading(recipe, partial(in_threads, threads=self.threads or usable_cores()))


@dataclass(frozen=True)
class LoaderProcess:
    """Make the batches in one other process with several threads."""

    threads: Threads = 0

    card: ClassVar[Card] = Card(
        name="loader_process",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="make the batches in one other process with several threads",
        source="SPDL (Meta, 2024); torch.utils.data.DataLoader",
        treats=("input_bound",),
        needs=("samples that do not depend on the order of reading",),
        conflicts=("batched_gather", "resident", "packed_store"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse recipes with another loader, and samples that depend on the order of reading."""
        return _refused(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader with a process in place of the per-sample one."""
        return _loading(recipe, partial(in_process, threads=self.threads or usable_cores()))
