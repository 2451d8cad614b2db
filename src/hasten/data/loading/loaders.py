"""From sample ids to batches. A fetch is a function: the ids of (the rest of) an epoch in, its batches out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from hasten.base.seeds import derive
from hasten.data.batch import Batch, batch_of, nbytes_of, split_batch, tensors_of
from hasten.data.loading.gather import taking
from hasten.data.loading.sample_randomness import Collate, drawn_from, generators_of, seeded

Fetched: TypeAlias = tuple[Tensor, Batch]
"""The ids that a batch was made of, (samples,) int64, and the batch. A packed batch has fewer rows than samples."""

Fetch: TypeAlias = Callable[[Tensor], Iterator[Fetched]]
"""The ids to visit, (n,) int64, in -> batches in that order, the last one smaller where n does not divide."""

Loader: TypeAlias = Callable[[Dataset[Any], int], Fetch]
"""A data set and a batch size in -> its fetch."""

RUN_BYTES = 2**20
"""Most bytes that are gathered at once for several batches: they stay in the cache until they are used."""
_ALIGNMENT = 64  # bytes, of the memory of new tensors


@runtime_checkable
class RandomFetch(Protocol):
    """A fetch whose samples may draw random numbers."""

    def of_epoch(self, seed: int) -> Fetch:
        """Return the fetch of an epoch whose random numbers come from `seed`."""
        ...


def of_epoch(fetch: Fetch, seed: int) -> Fetch:
    """Return a fetch for one epoch; what its samples draw, if anything, comes from `seed` alone."""
    return fetch.of_epoch(seed) if isinstance(fetch, RandomFetch) else fetch


@dataclass(frozen=True)
class PerSample:
    """Fetch by torch's `DataLoader`, one Python call per sample, in this process; see `sample_randomness`."""

    dataset: Dataset[Any]
    batch_size: int
    collate: Collate = default_collate
    seed: int = 0

    def of_epoch(self, seed: int) -> "PerSample":
        """Return the fetch of an epoch whose random numbers come from `seed`."""
        return replace(self, seed=seed)

    def __call__(self, ids: Tensor) -> Iterator[Fetched]:
        # An own generator: the DataLoader would otherwise draw a seed from the global one, and dropout would
        # depend on how data are loaded.
        generator = torch.Generator().manual_seed(0)
        loader = DataLoader(
            self.dataset, self.batch_size, sampler=ids.tolist(), generator=generator, collate_fn=self.collate
        )
        fetched = zip(ids.split(self.batch_size), map(collated, loader), strict=True)
        numbers = drawn_from(self.dataset, self.collate)
        return self._seeded(ids, fetched, numbers) if numbers else fetched

    def _seeded(self, ids: Tensor, fetched: Iterator[Fetched], numbers: tuple[int, ...]) -> Iterator[Fetched]:
        all_of_them = generators_of(self.dataset, self.collate)
        generators = tuple((number, all_of_them[number]) for number in numbers)
        for first in ids[:: self.batch_size].tolist():
            with seeded(generators, derive(self.seed, first)):
                batch = next(fetched)
            yield batch


def per_sample(dataset: Dataset[Any], batch_size: int) -> Fetch:
    """Fetch as people write it: torch's `DataLoader` without workers."""
    return PerSample(dataset, batch_size)


@dataclass(frozen=True)
class Collated:
    """The loader `per_sample` with another collate function."""

    collate: Collate

    def __call__(self, dataset: Dataset[Any], batch_size: int) -> Fetch:
        return PerSample(dataset, batch_size, self.collate)


def collated(batch: Any) -> Batch:
    """Return what a collate function made; the list that torch's makes of tuples becomes a tuple."""
    return batch_of(batch) if type(batch) is list else batch


def gathered(dataset: Dataset[Any], batch_size: int) -> Fetch:
    """Fetch by one gather per column; see `hasten.data.loading.gather`.

    Small batches are gathered several at once and are then parts of one piece of memory: one that is kept keeps up to
    `RUN_BYTES`.
    """

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        take, first, rest = taking(dataset), ids[:batch_size], ids[batch_size:]
        batch = take(first)
        yield first, batch
        at_once = _batches_at_once(batch)
        for run in rest.split(batch_size * at_once) if len(rest) else ():
            if at_once == 1:
                yield run, take(run)
                continue
            yield from zip(run.split(batch_size), split_batch(take(run), batch_size, unsafe=True), strict=True)

    return fetch


def _batches_at_once(batch: Batch) -> int:
    """Return how many batches like this one are gathered together."""
    if any(tensor.nbytes % _ALIGNMENT for tensor in tensors_of(batch)):
        return 1  # the next batch would start elsewhere than new memory does, and kernels may round differently there
    return max(1, RUN_BYTES // nbytes_of(batch))


def whole(dataset: Dataset[Any], batch_size: int) -> Fetch:
    """Fetch the whole data set as the one batch of every epoch, built once: full-batch gradient descent."""
    fetched = next(per_sample(dataset, batch_size)(torch.arange(batch_size)))
    return lambda ids: iter((fetched,))
