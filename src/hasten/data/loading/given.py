"""What a person gave as data, understood: samples that can be read by their ids, or a stream of batches."""

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch.utils.data import DataLoader, Dataset, IterableDataset, SequentialSampler, default_collate

from hasten.base.errors import BadInput
from hasten.data.loading.given_loader import GivenLoader, GivenOrder, draws, why_no_ids
from hasten.data.loading.loaders import Collated, Loader, per_sample
from hasten.data.loading.order import Order, shuffled
from hasten.data.loading.sample_randomness import Collate
from hasten.data.loading.streams import Stream, is_function
from hasten.data.loading.workers import Workers


@dataclass(frozen=True)
class Samples:
    """Data whose samples are read by their ids.

    Args:
        dataset: map-style.
        loader: that reads as the training does today.
        collate: makes a batch of its samples.
        order: of an epoch as it is trained today.
        batch_size: of the person's own `DataLoader`; None where the task says it.
        drop_last: whether an epoch leaves out a last batch that is smaller.
        given: the person's own `DataLoader`.
    """

    dataset: Dataset[Any]
    loader: Loader
    collate: Collate
    order: Order = shuffled
    batch_size: int | None = None
    drop_last: bool = False
    given: DataLoader[Any] | None = None

    def __len__(self) -> int:
        """Return the samples that the order of an epoch has."""
        return len(self.dataset if self.given is None else self.given.sampler)  # type: ignore[arg-type]


Given: TypeAlias = Samples | Stream


def is_by_number(data: object) -> bool:
    """Return whether samples are read by number: a map-style data set, also one without a length."""
    if isinstance(data, DataLoader | IterableDataset | type):  # a class is a function that makes an iterable
        return False
    return isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "__len__"))


def check_given(data: object, part: str) -> None:
    """Raise if something cannot be the training or validation data.

    Raises:
        BadInput: if it is an iterator, which can be gone through only once, or nothing that gives samples or batches.
    """
    if isinstance(data, Iterator):
        raise BadInput(
            f"Data.{part} must be iterable many times: every epoch, and every experiment, begins anew; found the "
            f"iterator {type(data).__name__}, which ends for good. Pass the function that makes it, without calling "
            f"it: Data({part}=make_batches)."
        )
    if not (is_by_number(data) or hasattr(data, "__iter__") or callable(data)):
        raise BadInput(
            f"Data.{part} must be a map-style data set, a DataLoader, an IterableDataset, an iterable of batches, or a "
            f"function that returns one; found {type(data).__name__}."
        )


def understood(data: Any, *, collate: Collate | None, workers: int, batch_size: int | None) -> Given:
    """Return how data are read today.

    Args:
        data: that passed `check_given`.
        collate: makes a batch of its samples; None for torch's `default_collate`.
        workers: processes that read samples.
        batch_size: of the batches that an `IterableDataset` is cut into.
    """
    if isinstance(data, IterableDataset):
        loader = DataLoader(data, batch_size, collate_fn=collate, num_workers=workers)
        return Stream(loader, f"your {type(data).__name__} gives samples in its own order, not by number")
    if isinstance(data, DataLoader):
        if (reason := why_no_ids(data)) is not None:
            return Stream(data, reason)
        return Samples(
            data.dataset,
            GivenLoader(data),
            data.collate_fn,
            GivenOrder(data),
            batch_size=data.batch_size,
            drop_last=data.drop_last,
            given=data,
        )
    if is_by_number(data):
        own = default_collate if collate is None else collate
        if workers:
            return Samples(data, Workers(workers, collate=own), own)
        return Samples(data, per_sample if collate is None else Collated(own), own)
    what = "function" if is_function(data) else type(data).__name__
    return Stream(data, f"your {what} gives batches in its own order, without ids")


def in_own_order(given: Given) -> Samples | None:
    """Return data that are read by ids in the order of the data set, as validation data are; None for other ones."""
    if isinstance(given, Stream):
        return None
    if given.given is None or type(given.given.sampler) is SequentialSampler:
        return given
    return None


def length_of(data: object) -> int | None:
    """Return the samples of a data set, or None where it does not say."""
    try:
        return len(data) if isinstance(data, Sized) else None
    except (TypeError, NotImplementedError):
        return None


def why_resume_differs(given: Given) -> str | None:
    """Return why a run that resumes cannot have the batches of an uninterrupted one, or None if it has them."""
    if isinstance(given, Samples):
        own = given.given
        if own is not None and own.persistent_workers and draws(own):
            return "the samples draw random numbers in workers that persist from epoch to epoch"
        return None
    if given.has_state:
        return None
    if getattr(given.source, "persistent_workers", False):
        return "the workers of your DataLoader persist from epoch to epoch, with what they remember"
    if given.draws_globally():
        return "the batches draw from the global random generators, as dropout does, while the epoch runs"
    return None


def checked_length(samples: Samples, part: str = "training") -> int:
    """Return how many samples an epoch draws from.

    Args:
        samples: the training or validation data.
        part: which of them, for the message.

    Raises:
        BadInput: if the data set has no length, no samples, or fewer than one batch where the last one is dropped.
    """
    try:
        size = len(samples)
    except (TypeError, NotImplementedError) as error:
        raise BadInput(
            f"the {part} data must have a length; found {type(samples.dataset).__name__} without one. Give the data "
            "set a __len__, or make it an IterableDataset."
        ) from error
    if size == 0:
        raise BadInput(f"the {part} data must hold at least one sample; found none.")
    if samples.drop_last and samples.batch_size and size < samples.batch_size:
        raise BadInput(
            f"the {part} data must give at least one batch; found {size} samples in batches of {samples.batch_size} "
            "with drop_last=True. Use smaller batches, or drop_last=False."
        )
    return size
