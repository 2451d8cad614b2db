"""Any map-style data set as plain arrays, read once, provided that its samples are always the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.seeds import preserved

_CHECKED_SAMPLES = 16
Fields = dict[str, NDArray[Any]]
"""The fields of one sample, or of several along the first dimension, by name."""


class MapStyle(Protocol):
    """What torch calls a map-style data set; those of Hugging Face are of this kind too."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """Return one sample: a tensor, a tuple or a dictionary of tensors, arrays and numbers."""
        ...


def materialize(dataset: MapStyle) -> Fields:
    """Read every sample once and return one array per field, equal to what torch's `default_collate` would stack.

    Fields of a dictionary keep their names; those of a tuple are called "0", "1", ... The state of the global random
    generators is left as it was.

    Raises:
        BadInput: if the data set is empty, a sample read twice differs (it is augmented at random: freezing it would
            change the training), samples differ in fields, shape or type, or a field is not numeric.
    """
    check_repeatable(dataset)
    ((_, columns),) = portions(dataset, 0, len(dataset))
    return columns


def portions(dataset: MapStyle, position: int, size: int) -> Iterator[tuple[int, Fields]]:
    """Yield (samples done, their fields along the first dimension) for `size` samples at a time, from `position` on.

    The state of the global random generators is left as it was.

    Raises:
        BadInput: if samples differ from the first one in fields, shape or type, or a field is not numeric.
    """
    with preserved():
        first = fields_of(dataset, 0)
    for start in range(position, len(dataset), size):
        stop = min(start + size, len(dataset))
        with preserved():
            yield stop, _stacked(dataset, start, stop, first)


def check_repeatable(dataset: MapStyle) -> None:
    """Raise unless some samples, evenly spread, are the same when they are read twice.

    Raises:
        BadInput: if the data set is empty, or names the sample and the field that differ.
    """
    if not len(dataset):
        raise BadInput(f"{name_of(dataset)} must hold at least one sample; found none.")
    with preserved():
        for index in some_places(len(dataset)):
            once, again = fields_of(dataset, index), fields_of(dataset, index)
            field = differing_field(once, again)
            if field is not None:
                raise BadInput(
                    f"{name_of(dataset)} must return the same sample every time to be stored; found that field "
                    f"{field!r} of sample {index} differs when it is read again. Take its random transforms out and "
                    "give them to hasten as augmentation."
                )


def some_places(size: int) -> list[int]:
    """Return a few places from 0 to size - 1, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, size - 1, _CHECKED_SAMPLES).astype(int)).tolist()


def differing_field(first: Fields, second: Fields) -> str | None:
    """Return the name of a field that two samples differ in, or None."""
    for name, value in first.items():
        if name not in second or not np.array_equal(value, second[name], equal_nan=value.dtype.kind in "fc"):
            return name
    return None


def fields_of(dataset: MapStyle, index: int) -> Fields:
    """Return one sample as arrays by name.

    Raises:
        BadInput: if a field is not numeric.
    """
    sample = dataset[index]
    if isinstance(sample, Mapping):
        parts = {str(name): value for name, value in sample.items()}
    elif isinstance(sample, Sequence) and not isinstance(sample, str | bytes):
        parts = {str(place): value for place, value in enumerate(sample)}
    else:
        parts = {"0": sample}
    return {name: _array(dataset, index, name, value) for name, value in parts.items()}


def name_of(dataset: MapStyle) -> str:
    """Return what to call a data set in a message."""
    return f"the data set {type(dataset).__name__}"


def _stacked(dataset: MapStyle, start: int, stop: int, first: Fields) -> Fields:
    columns = {name: np.empty((stop - start, *value.shape), value.dtype) for name, value in first.items()}
    for place, index in enumerate(range(start, stop)):
        sample = fields_of(dataset, index)
        _check_alike(dataset, index, sample, first)
        for name, value in sample.items():
            columns[name][place] = value
    return columns


def _check_alike(dataset: MapStyle, index: int, sample: Fields, first: Fields) -> None:
    if sample.keys() != first.keys():
        raise BadInput(
            f"{name_of(dataset)} must have the fields {list(first)} in sample {index}; found {list(sample)}."
        )
    for name, value in sample.items():
        if (value.shape, value.dtype) != (first[name].shape, first[name].dtype):
            raise BadInput(
                f"{name_of(dataset)} must have samples of one shape to be stored as an array; found field {name!r} as "
                f"{first[name].dtype}{first[name].shape} in sample 0 and {value.dtype}{value.shape} in sample {index}. "
                "Bring them to one shape."
            )


def _array(dataset: MapStyle, index: int, name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, torch.Tensor) and value.dtype is not torch.bfloat16:
        return value.detach().cpu().numpy()
    array = np.asarray(value) if not isinstance(value, torch.Tensor) else np.asarray(None)
    if array.dtype.kind not in "biufc":
        raise BadInput(
            f"{name_of(dataset)} must hold numbers, arrays and tensors that numpy knows; found a "
            f"{getattr(value, 'dtype', type(value).__name__)} in field {name!r} of sample {index}. "
            "Turn it into a tensor in the data set."
        )
    return array
