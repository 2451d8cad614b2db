"""What a loader, its sampler and its data set say of themselves."""

from contextlib import suppress
from typing import Any

from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler


def length_of(dataset: Any) -> int | None:
    """Return the number of samples; None where there is no data set, or it has no length."""
    if dataset is None:
        return None
    with suppress(Exception):  # an iterable data set has none, and says so in its own way
        return len(dataset)
    return None


def is_shuffled(sampler: Any) -> bool:
    """Return whether a sampler says that it shuffles."""
    if isinstance(sampler, RandomSampler):
        return not sampler.replacement
    return isinstance(sampler, DistributedSampler) and sampler.shuffle


def samples_left_out(loader: Any, drawn: int | None) -> int:
    """Return the samples at the end of a data set that a loader never gives, since their batch is incomplete."""
    batches = getattr(loader, "_index_sampler", None)
    if not isinstance(batches, BatchSampler) or not batches.drop_last or drawn is None:
        return 0
    return drawn % batches.batch_size if isinstance(batches.sampler, SequentialSampler) else 0
