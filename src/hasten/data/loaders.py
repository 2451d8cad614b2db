"""From sample ids to batches. A fetch is a function: the ids of (the rest of) an epoch in, its batches out."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hasten.data.datasets import Batch
from hasten.data.gather import take

Fetched: TypeAlias = tuple[Tensor, Batch]
"""The ids that a batch was made of, (samples,) int64, and the batch. A packed batch has fewer rows than samples."""

Fetch: TypeAlias = Callable[[Tensor], Iterator[Fetched]]
"""The ids to visit, (n,) int64, in -> batches in that order, the last one smaller where n does not divide."""

Loader: TypeAlias = Callable[[Dataset[Any], int], Fetch]
"""A data set and a batch size in -> its fetch."""


def per_sample(dataset: Dataset[Any], batch_size: int) -> Fetch:
    """Fetch as people write it: torch's `DataLoader`, one Python call per sample, in this process."""

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        # An own generator: the DataLoader would otherwise draw a seed from the global one, and dropout would
        # depend on how data are loaded.
        generator = torch.Generator().manual_seed(0)
        loader = DataLoader(dataset, batch_size, sampler=ids.tolist(), generator=generator)
        return zip(ids.split(batch_size), map(tuple, loader), strict=True)

    return fetch


def gathered(dataset: Dataset[Any], batch_size: int) -> Fetch:
    """Fetch each batch by one gather per column; see `hasten.data.gather`."""

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        return ((part, take(dataset, part)) for part in ids.split(batch_size))

    return fetch


def whole(dataset: Dataset[Any], batch_size: int) -> Fetch:
    """Fetch the whole data set as the one batch of every epoch, built once: full-batch gradient descent."""
    fetched = next(per_sample(dataset, batch_size)(torch.arange(batch_size)))
    return lambda ids: iter((fetched,))
