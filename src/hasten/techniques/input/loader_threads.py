"""Read the samples of a batch with several threads, or in processes beside the training.

What it does
    `loader_threads` reads each batch with `threads` threads (0: the physical cores). `loader_process` does so in one
    other process, two batches ahead, through shared memory. `loader_workers` is torch's `DataLoader` with `workers`
    processes (0: the physical cores), each two batches ahead.

Why it helps
    Decoding images and reading files release the GIL, so threads run in parallel. Python code holds the GIL: another
    process has its own, and the step no longer waits for it.

When it hurts
    Threads and processes take cores from the step. Passing a small sample costs more than making it: one gather is 20
    to 40 times faster there.

Numerics
    The same samples in the same order: every batch is equal bit for bit. Random samples depend on (seed, epoch, batch)
    alone: the global generators of torch, NumPy and Python and those of the data set are seeded before each batch.

Known problems
    The processes start anew in every epoch, each with a copy of the data set. Data sets that reading changes, and
    samples whose randomness no seed controls, are refused; threads refuse all random samples.

Source
    SPDL (Meta, 2024), whose own case study found that threads in one other process do not slow the step as threads
    beside it do; torch.utils.data.DataLoader.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.loading.decode import in_threads
from hasten.data.loading.given_loader import GivenLoader
from hasten.data.loading.workers import Workers
from hasten.machine.facts import usable_cores
from hasten.techniques.input.sample_loading import (
    RANDOM,
    cannot_be_seeded,
    cannot_gather,
    no_own_loader,
    samples_are_random,
)
from hasten.training.effects import Seen, running_workers
from hasten.training.recipe import Recipe

Threads = Annotated[int, Meta(ge=0, le=256, description="threads that read samples; 0 for the physical cores")]
Processes = Annotated[int, Meta(ge=0, le=256, description="processes that read samples; 0 for the physical cores")]


def _around(readers: int) -> tuple[int, ...]:
    """Return other numbers of readers: half and twice the cores, then on in the same direction."""
    cores, most = usable_cores(), 256
    others = (cores // 2, 2 * cores) if readers in (0, cores) else (readers // 2 if readers < cores else 2 * readers,)
    return tuple(one for one in others if 1 <= one <= most)


def _refused(recipe: Recipe) -> str | None:
    if reason := no_own_loader(recipe):
        return reason
    if cannot_gather(recipe) is None:
        return "the samples can be gathered, which costs less than to pass them from one thread to another"
    return cannot_be_seeded(recipe)


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
        needs=("samples that draw no random numbers",),
        conflicts=("batched_gather", "resident", "loader_process", "loader_workers", "packed_store"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse recipes with another loader, samples that can be gathered, and random ones."""
        return _refused(recipe) or (RANDOM if samples_are_random(recipe) else None)

    def nearby(self) -> tuple["LoaderThreads", ...]:
        """Return fewer and more of them."""
        return tuple(replace(self, threads=one) for one in _around(self.threads))

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader with threads in place of the per-sample one."""
        return recipe.with_input(
            loader=partial(in_threads, threads=self.threads or usable_cores(), collate=recipe.subject.collate)
        )


@dataclass(frozen=True)
class LoaderProcess:
    """Make the batches in one other process with several threads."""

    threads: Threads = 0

    card: ClassVar[Card] = Card(
        name="loader_process",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="load batches in one worker process with several threads",
        source="SPDL (Meta, 2024); torch.utils.data.DataLoader",
        treats=("input_bound",),
        needs=("samples that are the same when they are read again from the same random seeds",),
        conflicts=("batched_gather", "resident", "loader_workers", "packed_store"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse recipes with another loader, samples that can be gathered, and those that no seed controls."""
        return _refused(recipe)

    def nearby(self) -> tuple["LoaderProcess", ...]:
        """Return fewer and more of them."""
        return tuple(replace(self, threads=one) for one in _around(self.threads))

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader with a process in place of the per-sample one."""
        return recipe.with_input(loader=Workers(1, self.threads or usable_cores(), recipe.subject.collate))

    def effect(self, seen: Seen) -> str | None:
        """Expect the process to run."""
        return running_workers(seen)


@dataclass(frozen=True)
class LoaderWorkers:
    """Make the batches in several processes."""

    workers: Processes = 0

    card: ClassVar[Card] = Card(
        name="loader_workers",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="load batches in several worker processes, random samples included",
        source="torch.utils.data.DataLoader",
        treats=("input_bound",),
        needs=("samples that are the same when they are read again from the same random seeds",),
        conflicts=("batched_gather", "resident", "packed_store"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse recipes with as many workers, samples that can be gathered, and those that no seed controls."""
        loader, own = recipe.input.loader, self._loader(recipe)
        if loader == own or (isinstance(loader, GivenLoader) and loader.loader.num_workers == own.workers):
            return f"the batches are made by {own.workers} workers already"
        return _refused(recipe)

    def nearby(self) -> tuple["LoaderWorkers", ...]:
        """Return fewer and more of them."""
        return tuple(replace(self, workers=one) for one in _around(self.workers))

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the loader with workers in place of the task's own."""
        return recipe.with_input(loader=self._loader(recipe))

    def effect(self, seen: Seen) -> str | None:
        """Expect the processes to run."""
        return running_workers(seen)

    def _loader(self, recipe: Recipe) -> Workers:
        return Workers(self.workers or usable_cores(), collate=recipe.subject.collate)
