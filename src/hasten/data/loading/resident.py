"""A data set kept whole in the device's memory, each batch gathered there."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.base.device import Device
from hasten.data.loading.gather import take
from hasten.data.loading.loaders import Fetch, Fetched

_PORTION_BYTES = 64 << 20


def nbytes_of(dataset: Dataset[Any]) -> int:
    """Return the bytes that all samples of a data set that can be gathered take, as it hands them out."""
    sample = take(dataset, torch.zeros(1, dtype=torch.int64))
    return len(dataset) * sum(column.nbytes for column in sample)  # type: ignore[arg-type]


def fits(dataset: Dataset[Any], *, device: str, share: float) -> bool:
    """Return whether all samples take at most a share of the GPU memory that is free."""
    return nbytes_of(dataset) <= share * Device(device).free_bytes()


def resident(dataset: Dataset[Any], batch_size: int, *, device: str) -> Fetch:
    """Fetch from a copy of the data set on `device`, which is made now; the batches are there too.

    Args:
        dataset: one that can be gathered (see `hasten.data.loading.gather`).
        batch_size: samples in a batch.
        device: that holds the copy.
    """
    size = len(dataset)  # type: ignore[arg-type]
    portion = max(1, _PORTION_BYTES * size // max(1, nbytes_of(dataset)))
    parts = [tuple(column.to(device) for column in take(dataset, ids)) for ids in torch.arange(size).split(portion)]
    columns = tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        there = ids.to(device)
        return (
            (own, tuple(torch.index_select(column, 0, place) for column in columns))
            for own, place in zip(ids.split(batch_size), there.split(batch_size), strict=True)
        )

    return fetch
