"""A data set kept whole in the device's memory, each batch gathered there."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.base.device import Device
from hasten.data.batch import concatenate, map_tensors, to_device
from hasten.data.batch import nbytes_of as batch_bytes
from hasten.data.loading.gather import take
from hasten.data.loading.loaders import Fetch, Fetched

_PORTION_BYTES = 64 << 20


def nbytes_of(dataset: Dataset[Any]) -> int:
    """Return the bytes that all samples of a data set that can be gathered take, as it hands them out."""
    sample = take(dataset, torch.zeros(1, dtype=torch.int64))
    return len(dataset) * batch_bytes(sample)  # type: ignore[arg-type]


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
    parts = [to_device(take(dataset, ids), device) for ids in torch.arange(size).split(portion)]
    stored = concatenate(parts)

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        there = ids.to(device)
        return (
            (own, map_tensors(stored, partial(torch.index_select, dim=0, index=place)))
            for own, place in zip(ids.split(batch_size), there.split(batch_size), strict=True)
        )

    return fetch
