"""Whether the outputs of a model depend on one place of a sequence only, the first or the last."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hasten.diagnosis.watching.copies import mapped
from hasten.measurement.tensors import tensors_in

FEWEST = 4
"""Places of a sequence below which nothing is asked."""


def sequence_in(
    args: Sequence[Any], kwargs: Mapping[str, Any], axis: int, *, recurrent: bool
) -> tuple[Tensor, int] | None:
    """Return the input of a model and its dimension of places, where that is one sequence for each sample.

    Args:
        args: of the call, and
        kwargs: likewise.
        axis: dimension of the samples in the input, 0 or 1.
        recurrent: whether the model has recurrent layers, so that rows of numbers are sequences, too.
    """
    given = [one for one in tensors_in([args, kwargs]) if one.ndim]
    if len(given) != 1:
        return None
    floats = given[0].is_floating_point()
    tokens = given[0].ndim == 2 and not floats and given[0].dtype is not torch.bool
    vectors = floats and (given[0].ndim == 3 or (recurrent and given[0].ndim == 2))
    if not (tokens or vectors) or given[0].shape[1 - axis] < FEWEST:
        return None
    return given[0], 1 - axis


def elsewhere(
    args: Sequence[Any], kwargs: Mapping[str, Any], sequence: Tensor, axis: int, place: int
) -> tuple[Any, Any] | None:
    """Return the arguments with another sample's places but this one; None where nothing changes.

    Args:
        args: of the call, and
        kwargs: likewise.
        sequence: the input among them.
        axis: dimension of its places.
        place: that stays, 0 for the first and -1 for the last.
    """
    changed = sequence.roll(1, 1 - axis)
    index = place % sequence.shape[axis]
    changed.select(axis, index).copy_(sequence.select(axis, index))
    if torch.equal(changed, sequence):
        return None
    return mapped(lambda one: changed if one is sequence else one, (tuple(args), dict(kwargs)))
