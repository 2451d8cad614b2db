"""The samples of a batch made by several threads: decoding an image or a file releases Python's lock."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset, default_collate

from hasten.data.loading.alone import compute_alone
from hasten.data.loading.loaders import Fetch, Fetched, collated
from hasten.data.loading.sample_randomness import Collate

_PORTIONS = 4  # per thread and batch, since samples take differently long


def in_threads(dataset: Dataset[Any], batch_size: int, *, threads: int, collate: Collate = default_collate) -> Fetch:
    """Fetch with so many threads, each with some samples of the batch; the batches equal those of `per_sample`.

    Args:
        dataset: map-style; its samples must not depend on the global random generators or on the order of reading.
        batch_size: samples in a batch.
        threads: that read samples.
        collate: makes a batch of its samples.
    """

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        with _pool(threads) as pool:
            for part in ids.split(batch_size):
                yield part, collated(collate(read_in_threads(dataset, part.tolist(), pool, threads)))

    return fetch


@contextmanager
def _pool(threads: int) -> Generator[ThreadPoolExecutor]:
    """Threads that each compute alone."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="hasten-decode", initializer=compute_alone)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def read_in_threads(dataset: Dataset[Any], indices: list[int], pool: ThreadPoolExecutor, threads: int) -> list[Any]:
    """Return the samples of `indices` in their order, read by the threads of a pool."""
    size = max(1, -(-len(indices) // (_PORTIONS * threads)))
    portions = (indices[start : start + size] for start in range(0, len(indices), size))
    return [sample for samples in pool.map(lambda portion: _samples(dataset, portion), portions) for sample in samples]


def _samples(dataset: Dataset[Any], indices: list[int]) -> list[Any]:
    together: Callable[[list[int]], list[Any]] | None = getattr(dataset, "__getitems__", None)
    return [dataset[index] for index in indices] if together is None else together(indices)
