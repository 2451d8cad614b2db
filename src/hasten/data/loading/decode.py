"""The samples of a batch made by several threads, in this process or in one other.

Decoding an image or a file releases Python's lock, so threads decode side by side. A data set that computes in Python
holds the lock: there one process beside this one, with threads in it, takes the work off the step.
"""

import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from hasten.data.loading.alone import compute_alone
from hasten.data.loading.loaders import Fetch, Fetched

AHEAD = 2
"""Batches that the other process makes before they are asked for."""
_PORTIONS = 4  # per thread and batch, since samples take differently long


def in_threads(dataset: Dataset[Any], batch_size: int, *, threads: int) -> Fetch:
    """Fetch with so many threads, each with some samples of the batch; the batches equal those of `per_sample`.

    Args:
        dataset: map-style; its samples must not depend on the global random generators or on the order of reading.
        batch_size: samples in a batch.
        threads: that read samples.
    """

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        with _pool(threads) as pool:
            for part in ids.split(batch_size):
                yield part, tuple(default_collate(_read(dataset, part.tolist(), pool, threads)))

    return fetch


def in_process(dataset: Dataset[Any], batch_size: int, *, threads: int) -> Fetch:
    """Fetch in one other process with so many threads; batches come through shared memory, two made ahead.

    The process belongs to one pass: it ends with the pass, when the pass is left, or with this process, however that
    ends (torch's `DataLoader` sees to it).

    Args:
        dataset: as for `in_threads`; it goes to the other process.
        batch_size: samples in a batch.
        threads: of the other process.
    """

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        loader: DataLoader[Any] = DataLoader(
            _Together(dataset, threads),
            batch_size,
            sampler=ids.tolist(),
            num_workers=1,
            prefetch_factor=AHEAD,
            generator=torch.Generator().manual_seed(0),  # else it draws a seed from the global one
        )
        with warnings.catch_warnings():
            # The forked process calls into no thread of this one: it has its own pool and one thread of torch's.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            running = iter(loader)
        try:
            yield from zip(ids.split(batch_size), map(tuple, running), strict=True)
        finally:
            # Private, but an error's traceback may keep the iterator, and with it the process, alive for long.
            running._shutdown_workers()  # type: ignore[attr-defined]

    return fetch


class _Together(Dataset[Any]):
    """A data set whose batches are read by threads; `DataLoader` asks for a whole batch at once."""

    def __init__(self, dataset: Dataset[Any], threads: int) -> None:
        self.dataset = dataset
        self.threads = threads
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        if self.pool is None:  # in the other process, which ends with its threads
            self.pool = ThreadPoolExecutor(self.threads, initializer=compute_alone)
        return _read(self.dataset, indices, self.pool, self.threads)


@contextmanager
def _pool(threads: int) -> Generator[ThreadPoolExecutor]:
    """Threads that each compute alone."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="hasten-decode", initializer=compute_alone)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(dataset: Dataset[Any], indices: list[int], pool: ThreadPoolExecutor, threads: int) -> list[Any]:
    size = max(1, -(-len(indices) // (_PORTIONS * threads)))
    portions = (indices[start : start + size] for start in range(0, len(indices), size))
    return [sample for samples in pool.map(lambda portion: _samples(dataset, portion), portions) for sample in samples]


def _samples(dataset: Dataset[Any], indices: list[int]) -> list[Any]:
    together: Callable[[list[int]], list[Any]] | None = getattr(dataset, "__getitems__", None)
    return [dataset[index] for index in indices] if together is None else together(indices)
