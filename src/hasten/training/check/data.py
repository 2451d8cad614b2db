"""Checks of a data set alone: its length, the form of its samples, and that their values are finite."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from hasten.base.errors import BadInput
from hasten.data.batch import Batch, has_target, nbytes_of, select, stack, target_of, tensors_of
from hasten.data.loading.gather import take, why_not
from hasten.data.loading.given import Given, Samples, is_by_number
from hasten.data.loading.loaders import collated
from hasten.data.loading.sample_randomness import changed_by_reading
from hasten.data.loading.streams import Stream, first_of_stream, samples_in
from hasten.data.tree import is_record
from hasten.training.check.failure import failure
from hasten.training.task import Data

TRIAL = 2  # samples: enough to tell a mean from a sum, few enough for a large model
_LOOK_S = 0.5
_CHUNK_BYTES = 2**25
_SINGLE = 64  # samples read one by one


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
    size = _length(dataset, part)
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
    ids = torch.arange(samples_in(batch))
    _check_finite(batch, ids, part)
    targets = target_of(batch) if has_target(batch) else torch.empty(0)
    return Seen(part=part, batch=batch, size=None, ids=ids, targets=targets)


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


def _length(dataset: Dataset[Any], part: str) -> int:
    try:
        size = len(dataset)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError) as error:
        raise failure(f"the {part} data must have a length", error, "Give the data set a __len__.") from error
    if size == 0:
        raise BadInput(f"the {part} data must hold at least one sample; found none.")
    return size


def _read(given: Samples, ids: Tensor, part: str) -> Batch:
    """Return samples as one batch, reading them one by one as torch's loader does."""
    dataset = given.dataset
    if given.collate is not default_collate or not _is_row(dataset, ids, part):
        return _collated(given, ids, part)
    samples: list[tuple[Tensor, ...]] = []
    for index in ids.tolist():
        try:
            sample = dataset[index]
        except Exception as error:
            raise failure(f"sample {index} of the {part} data must be readable", error) from error
        samples.append(_tensors(sample, index, part))
        first, shapes = ([tuple(tensor.shape) for tensor in tensors] for tensors in (samples[0], samples[-1]))
        if shapes != first:
            raise BadInput(
                f"all samples of the {part} data must have the same shapes, since they are stacked to a batch; found "
                f"{_listed(first)} in sample {ids[0]} and {_listed(shapes)} in sample {index}. Crop or pad them."
            )
    return stack(samples)


def _is_row(dataset: Dataset[Any], ids: Tensor, part: str) -> bool:
    """Return whether a sample is a plain row, or meant as one: a tuple, or nothing that can be collated as it is."""
    index = int(ids[0])
    try:
        sample = dataset[index]
    except Exception as error:
        raise failure(f"sample {index} of the {part} data must be readable", error) from error
    if isinstance(sample, (tuple, list)):
        return not any(isinstance(value, (Mapping, tuple, list, str)) for value in sample) and len(sample) > 1
    return not (isinstance(sample, (Tensor, np.ndarray, Mapping)) or is_record(sample))


def _collated(given: Samples, ids: Tensor, part: str) -> Batch:
    read: list[Any] = []
    for index in ids.tolist():
        try:
            read.append(given.dataset[index])
        except Exception as error:
            raise failure(f"sample {index} of the {part} data must be readable", error) from error
    try:
        return collated(given.collate(read))
    except Exception as error:
        must = f"the collate function must make a batch of {len(read)} samples of the {part} data"
        raise failure(must, error) from error


def _tensors(sample: object, index: int, part: str) -> tuple[Tensor, ...]:
    """Return a sample as tensors: also numbers and arrays, which torch's loader makes into tensors."""
    must = f"a sample must be a tuple of tensors, the inputs first and the target last; sample {index} of the {part}"
    if not isinstance(sample, (tuple, list)):
        raise BadInput(f"{must} data is {type(sample).__name__}. Return (input, target) from its __getitem__.")
    if len(sample) < 2:
        raise BadInput(f"{must} data has {len(sample)} of them. Add the target.")
    tensors: list[Tensor] = []
    for column, value in enumerate(sample):
        # A tensor, or what torch's loader makes into one.
        if not isinstance(value, (Tensor, int, float, np.ndarray, np.generic)):
            name = _column(column, len(sample))
            raise BadInput(f"{must} data holds {type(value).__name__} as {name}. Make it a tensor.")
        tensors.append(default_collate([value])[0])
    return tuple(tensors)


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


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _column(position: int, count: int) -> str:
    if position == count - 1:
        return "the target"
    return "the input" if count == 2 else f"input {position}"
