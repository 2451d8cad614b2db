"""Checks of a data set alone: its length, the form of its samples, and that their values are finite."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from hasten.base.errors import BadInput
from hasten.data.batch import Batch, has_target, nbytes_of, select, target_of, tensors_of, to_device
from hasten.data.loading.gather import take, why_not
from hasten.data.loading.given import Given, Samples, checked_length, is_by_number, length_of
from hasten.data.loading.loaders import collated
from hasten.data.loading.sample_randomness import changed_by_reading
from hasten.data.loading.streams import Stream, first_of_stream, samples_in
from hasten.training.check.failure import described, failure, with_batch
from hasten.training.task import Data, Task

TRIAL = 2  # samples: enough to tell a mean from a sum, few enough for a large model
_LOOK_S = 0.5
_CHUNK_BYTES = 2**25
_SINGLE = 64  # samples read one by one
_HOW_TO_COLLATE = """ Or make the batch yourself:
    def collate(samples):
        return torch.stack([sample[0] for sample in samples]), ...
    Data(..., collate=collate)"""


@dataclass(frozen=True)
class Seen:
    """What was seen of one data set.

    Args:
        part: "training" or "validation".
        batch: its first samples, as the model will get them.
        size: samples in the data set; None where they come as batches.
        ids: (n,) the samples that were looked at.
        targets: their targets, samples along the first dimension.
    """

    part: str
    batch: Batch
    size: int | None
    ids: Tensor
    targets: Tensor


def look(given: Given, part: str) -> Seen:
    """Check data by themselves, and return what was seen of them. Of a stream, the first batch is read.

    Args:
        given: as the task has them.
        part: what to call it: "training" or "validation".

    Raises:
        BadInput: if they have no length, no samples or no batch, samples cannot be collated, or a value is not finite
            (names the sample, the column and the feature).
    """
    if isinstance(given, Stream):
        return _first_batch(given, part)
    dataset = given.dataset
    drawn = checked_length(given, part)
    size = length_of(dataset) or drawn  # a sampler may draw fewer samples, or some several times
    first = _read(given, torch.arange(min(TRIAL, size)), part)
    gathers = given.collate is default_collate and why_not(dataset) is None
    if gathers:
        portions = _spread(torch.arange(size), max(1, _CHUNK_BYTES // max(1, nbytes_of(select(first, slice(1))))))
    else:
        portions = _spread(torch.arange(0, size, -(-size // _SINGLE)), 8)
    ids: list[Tensor] = []
    targets: list[Tensor] = []
    end = perf_counter() + _LOOK_S
    for some in portions:
        batch = take(dataset, some) if gathers else _read(given, some, part)
        _check_finite(batch, some, part)
        ids.append(some)
        if has_target(batch) and isinstance(target_of(batch), Tensor):
            targets.append(target_of(batch))
        if perf_counter() > end:
            break
    together = len({target.shape[1:] for target in targets}) == 1
    found = torch.cat(targets) if together else target_of(first) if has_target(first) else torch.empty(0)
    return Seen(part=part, batch=first, size=size, ids=torch.cat(ids) if together else ids[0], targets=found)


def _first_batch(stream: Stream, part: str) -> Seen:
    try:
        batch = first_of_stream(stream)
    except BadInput:
        raise
    except Exception as error:
        raise failure(f"the first batch of the {part} data must be readable", error) from error
    batch = _here(batch, part, f"the {part} data")
    ids = torch.arange(samples_in(batch))
    _check_finite(batch, ids, part)
    targets = target_of(batch) if has_target(batch) else torch.empty(0)
    return Seen(part=part, batch=batch, size=None, ids=ids, targets=targets)


def notes_on_batch_size(task: Task, train: Seen) -> tuple[str, ...]:
    """Return what to know of a batch size that was asked for and that the training data are too few for."""
    size = task.batch_size
    if size is None or train.size is None or size <= train.size or not task.has_batch_size:
        return ()
    return (f"batch_size is {size} and there are {train.size} training samples: each update uses all of them.",)


def notes_on_workers(data: Data) -> tuple[str, ...]:
    """Return what to know of training data that are read by worker processes and that reading changes."""
    if not data.workers or not is_by_number(data.train) or not (changed := changed_by_reading(data.train)):
        return ()
    return (
        f"reading samples changes {', '.join(changed)}. Each of the {data.workers} workers changes a copy, which no "
        "checkpoint holds: a run resumed within an epoch may see other samples than an uninterrupted one. "
        "For an exact resume, use Data(workers=0).",
    )


def _spread(ids: Tensor, size: int) -> Iterator[Tensor]:
    """Yield the ids in parts of about `size` that each reach over all of them: if time ends, no region is left out."""
    parts = -(-len(ids) // size)
    return (ids[first::parts] for first in range(parts))


def _read(given: Samples, ids: Tensor, part: str) -> Batch:
    """Return samples as one batch, reading them one by one, as torch's loader does in most cases."""
    samples: list[Any] = []
    for index in ids.tolist():
        try:
            samples.append(given.dataset[index])
        except Exception as error:
            raise failure(f"sample {index} of the {part} data must be readable", error) from error
    own = given.collate is not default_collate
    maker = "your collate function" if own else "torch's default collate function"
    try:
        batch = collated(given.collate(samples))
    except Exception as error:
        if not own:
            _check_shapes(samples, ids, part)
        raise failure(
            f"{maker} must make a batch of {len(samples)} samples of the {part} data",
            error,
            f"Sample {ids[0]} is {described(samples[0])}.{'' if own else _HOW_TO_COLLATE}",
        ) from error
    return _here(batch, part, maker)


def _check_shapes(samples: Sequence[Any], ids: Tensor, part: str) -> None:
    """Raise if samples cannot be stacked since their tensors have other shapes."""
    first = described(samples[0])
    for index, sample in zip(ids.tolist(), samples, strict=True):
        if (found := described(sample)) != first:
            raise BadInput(
                f"all samples of the {part} data must have the same shapes, since they are stacked to a batch; found "
                f"{first} in sample {ids[0]} and {found} in sample {index}. Crop or pad them.{_HOW_TO_COLLATE}"
            )


def _here(batch: Batch, part: str, maker: str) -> Batch:
    """Return a batch in the memory of the host, where this check runs."""
    if batch is None:
        raise BadInput(f"{maker} must make a batch; it returned None. Is a return missing?")
    try:
        return to_device(batch, "cpu")
    except Exception as error:
        with with_batch(batch, part):
            raise failure(f"the {part} batch must hold values that can be copied to another device", error) from error


def _check_finite(batch: Batch, ids: Tensor, part: str) -> None:
    tensors = list(tensors_of(batch))
    for column, values in enumerate(tensors):
        # A finite sum means finite terms, and is ten times faster to compute than a mask.
        if not values.is_floating_point() or bool(values.sum().isfinite()):
            continue
        wrong = (~values.isfinite()).nonzero()
        if not len(wrong):
            continue  # finite terms whose sum overflows
        sample, *feature = wrong[0].tolist()
        where = f", feature {feature[0] if len(feature) == 1 else tuple(feature)}" if feature else ""
        raise BadInput(
            f"the {part} data must be finite; found {values[tuple(wrong[0])].item()} in sample {ids[sample]}, "
            f"{_column(column, len(tensors))}{where}; {len(wrong)} such values in {len(ids)} samples. "
            "Fill or remove what is missing."
        )


def _column(position: int, count: int) -> str:
    if position == count - 1:
        return "the target"
    return "the input" if count == 2 else f"input {position}"
