"""Batches made in worker processes, as by torch's `DataLoader`."""

import signal
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from hasten.base.seeds import derive
from hasten.data.loading.alone import compute_alone
from hasten.data.loading.decode import read_in_threads
from hasten.data.loading.loaders import Fetched, collated
from hasten.data.loading.sample_randomness import Collate, drawn_from, generators_of, seed_generators

AHEAD = 2
"""Batches that each worker makes before they are asked for, as in torch."""
_TIME_TO_DIE_S = 0.2


@dataclass(frozen=True)
class Workers:
    """A loader with so many worker processes, each with so many threads.

    The samples of a data set that draws random numbers are read by one thread, and depend on (seed, epoch, batch)
    alone: they are those of any other number of workers, none included; see `sample_randomness`.
    """

    workers: int
    threads: int = 1
    collate: Collate = default_collate

    def __call__(self, dataset: Dataset[Any], batch_size: int) -> "WorkerFetch":
        return WorkerFetch(dataset, batch_size, self)


@dataclass(frozen=True)
class WorkerFetch:
    """Fetch with worker processes; batches come through shared memory, two made ahead by each.

    The processes belong to one pass: they end with it, when it is left, or with this process, however that ends
    (torch's `DataLoader` sees to it).
    """

    dataset: Dataset[Any]
    batch_size: int
    how: Workers
    seed: int = 0

    def of_epoch(self, seed: int) -> "WorkerFetch":
        """Return the fetch of an epoch whose random numbers come from `seed`."""
        return replace(self, seed=seed)

    def __call__(self, ids: Tensor) -> Iterator[Fetched]:
        is_random = bool(drawn_from(self.dataset, self.how.collate))
        loader: DataLoader[Any] = DataLoader(
            _Batches(self.dataset, self.seed if is_random else None, self.how),
            self.batch_size,
            sampler=ids.tolist(),
            num_workers=self.how.workers,
            prefetch_factor=AHEAD,
            collate_fn=self.how.collate,
            worker_init_fn=ignore_interrupts,
            generator=torch.Generator().manual_seed(0),  # else it draws a seed from the global one
        )
        with closing(batches_of(loader)) as batches:
            yield from zip(ids.split(self.batch_size), map(collated, batches), strict=True)


def batches_of(loader: DataLoader[Any], *, keep_workers: bool = False) -> Generator[Any]:
    """Yield the batches of a pass; end the worker processes with it, or when it is left.

    Args:
        loader: a torch `DataLoader`.
        keep_workers: leave persistent workers running for the next pass.

    Raises:
        RuntimeError: if a worker process was killed.
    """
    with warnings.catch_warnings():
        # The forked process calls into no thread of this one: it has its own pool and one thread of torch's.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        running = iter(loader)
    try:
        yield from running
    except (OSError, EOFError) as error:  # what a worker has sent cannot be opened any more once it has gone
        if (gone := _killed_worker(running)) is not None:
            raise RuntimeError(gone) from error
        raise
    finally:
        if not keep_workers:
            end_workers(running)


def end_workers(running: Any) -> None:
    """End the worker processes of an iterator of a `DataLoader`, if it has any."""
    # Private, but an error's traceback may keep the iterator, and with it the processes, alive for long.
    if (end := getattr(running, "_shutdown_workers", None)) is not None:
        end()


def _killed_worker(running: Any) -> str | None:
    """Return which worker process was killed and how, or None where none was."""
    for worker in getattr(running, "_workers", ()):
        worker.join(_TIME_TO_DIE_S)
        if worker.exitcode:
            how = f"killed by {signal.Signals(-worker.exitcode).name}" if worker.exitcode < 0 else "gone"
            return f"DataLoader worker (pid {worker.pid}) is {how}; is there enough memory?"
    return None


class _Batches(Dataset[Any]):
    """A data set whose batches are read as a whole; `DataLoader` asks for all samples of one at once."""

    def __init__(self, dataset: Dataset[Any], seed: int | None, how: Workers) -> None:
        self.dataset = dataset
        self.seed = seed
        self.threads = how.threads
        self.collate = how.collate
        self.pool: ThreadPoolExecutor | None = None
        self.generators: tuple[tuple[int, Any], ...] | None = None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        if self.seed is not None:
            if self.generators is None:
                self.generators = tuple(enumerate(generators_of(self.dataset, self.collate)))
            seed_generators(self.generators, derive(self.seed, indices[0]))
        if self.seed is not None or self.threads == 1:
            together = getattr(self.dataset, "__getitems__", None)
            return [self.dataset[index] for index in indices] if together is None else together(indices)
        if self.pool is None:  # in the worker, which ends with its threads
            self.pool = ThreadPoolExecutor(self.threads, initializer=compute_alone)
        return read_in_threads(self.dataset, indices, self.pool, self.threads)


def ignore_interrupts(_: int) -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the training: it ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
