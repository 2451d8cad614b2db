"""Any map-style data set as plain arrays, read once, provided that its samples are always the same."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.seeds import preserved

_CHECKED_SAMPLES = 16


class MapStyle(Protocol):
    """What torch calls a map-style data set; those of Hugging Face are of this kind too."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """Return one sample: a tensor, a tuple or a dictionary of tensors, arrays and numbers."""
        ...


def materialise(dataset: MapStyle) -> dict[str, NDArray[Any]]:
    """Read every sample once and return one array per field, equal to what torch's `default_collate` would stack.

    Fields of a dictionary keep their names; those of a tuple are called "0", "1", ... The state of the global random
    generators is left as it was.

    Raises:
        BadInput: if the data set is empty, a sample read twice differs (it is augmented at random: freezing it would
            change the training), samples differ in fields, shape or type, or a field is not numeric.
    """
    if not len(dataset):
        raise BadInput(f"{_name(dataset)} must hold at least one sample; found none.")
    with preserved():
        _check_repeatable(dataset)
        first = _fields(dataset, 0)
        columns = {name: np.empty((len(dataset), *value.shape), value.dtype) for name, value in first.items()}
        for index in range(len(dataset)):
            sample = _fields(dataset, index)
            _check_alike(dataset, index, sample, first)
            for name, value in sample.items():
                columns[name][index] = value
    return columns


def _check_repeatable(dataset: MapStyle) -> None:
    for index in np.unique(np.linspace(0, len(dataset) - 1, _CHECKED_SAMPLES).astype(int)).tolist():
        once, again = _fields(dataset, index), _fields(dataset, index)
        for name, value in once.items():
            if name not in again or not np.array_equal(value, again[name], equal_nan=value.dtype.kind in "fc"):
                raise BadInput(
                    f"{_name(dataset)} must return the same sample every time to be stored; found that field {name!r} "
                    f"of sample {index} differs when it is read again. Take its random transforms out and give them to "
                    "hasten as augmentation."
                )


def _check_alike(
    dataset: MapStyle, index: int, sample: dict[str, NDArray[Any]], first: dict[str, NDArray[Any]]
) -> None:
    if sample.keys() != first.keys():
        raise BadInput(f"{_name(dataset)} must have the fields {list(first)} in sample {index}; found {list(sample)}.")
    for name, value in sample.items():
        if (value.shape, value.dtype) != (first[name].shape, first[name].dtype):
            raise BadInput(
                f"{_name(dataset)} must have samples of one shape to be stored as an array; found field {name!r} as "
                f"{first[name].dtype}{first[name].shape} in sample 0 and {value.dtype}{value.shape} in sample {index}. "
                "Bring them to one shape."
            )


def _fields(dataset: MapStyle, index: int) -> dict[str, NDArray[Any]]:
    sample = dataset[index]
    if isinstance(sample, Mapping):
        parts = {str(name): value for name, value in sample.items()}
    elif isinstance(sample, Sequence) and not isinstance(sample, str | bytes):
        parts = {str(place): value for place, value in enumerate(sample)}
    else:
        parts = {"0": sample}
    return {name: _array(dataset, index, name, value) for name, value in parts.items()}


def _array(dataset: MapStyle, index: int, name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, torch.Tensor) and value.dtype is not torch.bfloat16:
        return value.detach().cpu().numpy()
    array = np.asarray(value) if not isinstance(value, torch.Tensor) else np.asarray(None)
    if array.dtype.kind not in "biufc":
        raise BadInput(
            f"{_name(dataset)} must hold numbers, arrays and tensors that numpy knows; found a "
            f"{getattr(value, 'dtype', type(value).__name__)} in field {name!r} of sample {index}. "
            "Turn it into a tensor in the data set."
        )
    return array


def _name(dataset: MapStyle) -> str:
    return f"the data set {type(dataset).__name__}"
