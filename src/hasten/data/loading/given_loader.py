"""A person's own `DataLoader` over a map-style data set: its order drawn as torch draws it, its batches by id.

torch draws at the begin of each epoch: a base seed for the workers from the loader's generator, then what the sampler
draws, both from the global generator unless the loader holds one. The same numbers are drawn here at the same place, so
a run has the batches of `for batch in loader`, and dropout, which shares the global generator, the same masks.
"""

from collections.abc import Generator, Iterator, Sized
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler

from hasten.base.seeds import preserved, random_state, same_random_state
from hasten.data.loading.loaders import Fetched
from hasten.data.loading.sample_randomness import drawn_from, restored
from hasten.data.loading.workers import batches_of, end_workers, ignore_interrupts


def why_no_ids(loader: DataLoader[Any]) -> str | None:
    """Return why the ids of an epoch of `loader` cannot be known before it begins, or None if they can.

    The sampler is run once where it is not torch's own; what it changes is undone.
    """
    kind = type(loader)
    if kind.__iter__ is not DataLoader.__iter__ or kind._get_iterator is not DataLoader._get_iterator:
        return f"your {kind.__name__} iterates in a way of its own"
    if isinstance(loader.dataset, IterableDataset):
        return f"your {type(loader.dataset).__name__} gives samples in its own order, not by number"
    if loader.batch_sampler is None:
        return "your DataLoader has batch_size=None, so its data set makes the batches"
    if type(loader.batch_sampler) is not BatchSampler:
        return f"your DataLoader's {type(loader.batch_sampler).__name__} makes the batches"
    sampler = loader.sampler
    if type(sampler) in (RandomSampler, SequentialSampler):
        return None
    name = type(sampler).__name__
    if not isinstance(sampler, Sized):
        return f"your DataLoader's {name} has no length"
    with preserved(), restored(sampler):
        drawing = iter(sampler)
        ids = list(islice(drawing, 1))
        before = random_state()
        ids += drawing
        if not same_random_state(before, random_state()):
            return f"your DataLoader's {name} draws from the global generators during the epoch"
    if not all(isinstance(one, int) or (isinstance(one, Tensor) and not one.is_floating_point()) for one in ids):
        return f"your DataLoader's {name} gives {type(ids[0]).__name__}, not numbers of samples"
    return None if len(ids) == len(sampler) else f"your DataLoader's {name} does not give as many samples as its length"


def copy_of(loader: DataLoader[Any], **fields: Any) -> DataLoader[Any]:
    """Return a loader with the same arguments but for some, and with an iteration of its own.

    Ctrl-C, which a terminal sends to every process, does not reach its workers: the training ends them.
    """
    own: Any = copy(loader)
    start = partial(_start_worker, loader.worker_init_fn)
    # Past the loader's own guard, which forbids to set what its parts were made of.
    vars(own).update({"_iterator": None, "worker_init_fn": start, **fields})
    return own


def _start_worker(own: Any, worker: int) -> None:
    ignore_interrupts(worker)
    if own is not None:
        own(worker)


@dataclass(frozen=True)
class Drawn:
    """What an epoch's begin has drawn.

    Args:
        ids: (samples,) int64, in the order of the epoch.
        seeding: state of the generator that the workers' base seed comes from, before it was drawn.
    """

    ids: Tensor
    seeding: Tensor


@dataclass(frozen=True)
class GivenOrder:
    """The order that a `DataLoader` has: drawn at the begin of an epoch, so each call gives another one."""

    loader: DataLoader[Any]

    @property
    def shuffles(self) -> bool:
        """Whether each sample is used once in a random order, or in that of the data set."""
        sampler = self.loader.sampler
        if self.loader.drop_last or len(sampler) != len(self.loader.dataset):  # type: ignore[arg-type]
            return False
        return type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement)

    def __call__(self, num_samples: int, *, seed: int, epoch: int) -> Tensor:
        """Return the ids of the next epoch, (num_samples,) int64."""
        return self.draw(None).ids

    def draw(self, before: Drawn | None) -> Drawn:
        """Return what torch would draw at the begin of an epoch; `before` is that of the epoch before.

        Workers that persist keep the base seed of the first epoch: none is drawn for them later.
        """
        loader = self.loader
        generator = torch.default_generator if loader.generator is None else loader.generator
        seeding = generator.get_state()
        if before is None or not loader.persistent_workers:
            torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
        else:
            seeding = before.seeding
        return Drawn(torch.as_tensor([int(one) for one in loader.sampler], dtype=torch.int64), seeding)


class _Ids:
    """The batches of ids that the copy of a loader is to read next."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


@dataclass(frozen=True)
class GivenLoader:
    """The loader that reads as a person's own `DataLoader` does: its collate function, workers, pinning."""

    loader: DataLoader[Any]

    def __call__(self, dataset: Dataset[Any], batch_size: int) -> "GivenFetch":
        return GivenFetch(self.loader, batch_size)


@dataclass
class GivenFetch:
    """Fetch with a copy of a person's own `DataLoader`."""

    loader: DataLoader[Any]
    batch_size: int
    _ids: _Ids = field(default_factory=_Ids)
    _copy: DataLoader[Any] | None = None

    def __call__(self, ids: Tensor) -> Iterator[Fetched]:
        seeding = torch.Generator().manual_seed(0).get_state()
        return self.epoch(Drawn(ids, seeding), 0)

    def epoch(self, drawn: Drawn, offset: int) -> Generator[Fetched]:
        """Yield the batches of an epoch that follow after `offset` samples.

        Where samples draw random numbers in workers, those before are read again, since what a worker draws depends on
        what it has drawn before.
        """
        parts = drawn.ids.split(self.batch_size)
        used = offset // self.batch_size
        passed_over = used if used and self.loader.num_workers and draws(self.loader) else 0
        self._ids.batches = [part.tolist() for part in parts[used - passed_over :]]
        if self._copy is None:
            self._copy = copy_of(
                self.loader, sampler=self._ids, batch_sampler=self._ids, generator=torch.Generator(), drop_last=False
            )
        self._copy.generator.set_state(drawn.seeding)  # type: ignore[union-attr]
        with closing(batches_of(self._copy, keep_workers=self.loader.persistent_workers)) as batches:
            for _ in range(passed_over):
                next(batches)
            yield from zip(parts[used:], batches, strict=True)

    def close(self) -> None:
        """End the workers that persist."""
        if self._copy is not None:
            end_workers(self._copy._iterator)
            self._copy = None


def draws(loader: DataLoader[Any]) -> bool:
    """Return whether reading and collating a map-style data set's samples draws random numbers."""
    return bool(drawn_from(loader.dataset, loader.collate_fn))
