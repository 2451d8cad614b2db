"""Data that come as batches: an iterable of them, a function that returns one, or a `DataLoader` without ids."""

from collections.abc import Callable, Generator, Iterable, Sized
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from hasten.base.errors import BadInput
from hasten.base.seeds import preserved, random_state, same_random_state
from hasten.data.batch import Batch, select, size_of, unsplittable
from hasten.data.loading.given_loader import copy_of
from hasten.data.loading.sample_randomness import restored
from hasten.data.loading.workers import batches_of, end_workers

_TRIAL = 4  # batches


@dataclass(frozen=True)
class Stream:
    """Batches as their owner makes them; each pass iterates anew.

    Args:
        source: a `DataLoader`, another iterable that can be iterated many times, or a function that returns one.
        reason: why its samples cannot be read by their ids.
        steps: updates of an epoch; None where an epoch is a pass.
    """

    source: DataLoader[Any] | Iterable[Batch] | Callable[[], Iterable[Batch]]
    reason: str
    steps: int | None = None

    @property
    def batches(self) -> int | None:
        """Batches of a pass, or None where they are counted only by iterating."""
        source = self.source
        if isinstance(source, DataLoader) and isinstance(source.dataset, IterableDataset):
            return None  # torch computes it from the samples, and workers may make other batches of them
        try:
            return len(source) if isinstance(source, Sized) else None
        except TypeError:
            return None

    @property
    def has_state(self) -> bool:
        """Whether it can say and take the place of its iteration itself."""
        return all(hasattr(self.source, name) for name in ("state_dict", "load_state_dict"))

    def opened(self) -> "Opened":
        """Return the stream for one training."""
        own = self.source
        if isinstance(own, DataLoader) and type(own).__iter__ is DataLoader.__iter__:
            return Opened(copy_of(own), is_copy=True)
        return Opened(own, is_copy=False)

    def batches_once(self) -> Generator[Batch]:
        """Yield the batches of one pass, and end the workers with it."""
        opened = self.opened()
        try:
            yield from opened.batches()
        finally:
            opened.close()

    def first(self, count: int) -> list[Batch]:
        """Return the first batches of a pass, made in this process; what this changes is undone."""
        source: Any = self.source
        if isinstance(source, DataLoader) and type(source).__iter__ is DataLoader.__iter__:
            source = copy_of(source, num_workers=0, prefetch_factor=None, persistent_workers=False, timeout=0)
        with preserved(), restored(self.source), closing(Opened(source, is_copy=False).batches()) as batches:
            return list(islice(batches, count))

    def draws_globally(self) -> bool:
        """Return whether iterating in this process draws from the global generators after the first batch.

        Batches that cannot be read draw nothing: what they raise is raised again when they are read for training.
        """
        source: Any = self.source
        read_elsewhere = getattr(source, "num_workers", 0) > 0
        if read_elsewhere and (isinstance(source.dataset, IterableDataset) or source.batch_sampler is None):
            return False
        made = Stream(source.batch_sampler, self.reason) if read_elsewhere else self
        with preserved(), restored(source), closing(made.opened().batches()) as batches:
            for _ in islice(batches, 1):
                pass
            before = random_state()
            with suppress(Exception):
                for _ in islice(batches, _TRIAL):
                    pass
            return not same_random_state(before, random_state())


@dataclass(frozen=True)
class Opened:
    """A stream that one training iterates. A copy of a `DataLoader` has workers of its own."""

    source: Any
    is_copy: bool

    def batches(self) -> Generator[Batch]:
        """Yield the batches of a pass."""
        source = self.source
        if isinstance(source, DataLoader):
            yield from batches_of(source, keep_workers=self.is_copy and source.persistent_workers)
            return
        made = source() if is_function(source) else source
        try:
            running = iter(made)
        except TypeError as error:
            name = getattr(source, "__name__", type(source).__name__)
            raise BadInput(
                f"a function given as data must return an iterable of batches; {name}() returned {type(made).__name__}."
            ) from error
        try:
            yield from running
        finally:
            if isinstance(running, Generator):
                running.close()

    def begun(self) -> Generator[Batch]:
        """Return the batches of a pass whose iteration has begun, as `for` begins it, and nothing is read yet."""
        running = iter(self.source)

        def rest() -> Generator[Batch]:
            try:
                yield from running
            finally:
                end_workers(running)

        return rest()

    def close(self) -> None:
        """End the workers that persist."""
        if self.is_copy and self.source._iterator is not None:
            end_workers(self.source._iterator)
            self.source._iterator = None


def is_function(source: object) -> bool:
    """Return whether the data are a function that returns an iterable, not an iterable itself."""
    return isinstance(source, type) or (callable(source) and not hasattr(source, "__iter__"))


def first_of_stream(stream: Stream, samples: int | None = None) -> Batch:
    """Return a stream's first batch, or so many of its samples where it can be split.

    Raises:
        BadInput: if there is no batch.
    """
    found = stream.first(1)
    if not found:
        raise BadInput("the training data must give at least one batch; found none.")
    (batch,) = found
    if samples is None or unsplittable(batch) is not None or size_of(batch) <= samples:
        return batch
    return select(batch, slice(samples))


def samples_in(batch: Batch) -> int:
    """Return how many samples a batch of a stream holds; one that does not tell counts as 1."""
    try:
        return max(1, size_of(batch))
    except (BadInput, TypeError, IndexError, AttributeError):
        return 1
