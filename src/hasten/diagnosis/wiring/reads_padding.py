"""Whether the outputs of a recurrent model depend on what stands behind the end of padded rows."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hasten.diagnosis.watching.copies import mapped, outputs_of
from hasten.diagnosis.watching.padding import ends_of, padding_of
from hasten.measurement.tensors import tensors_in

_FEWEST = 4  # rows, and places of a row


def reads_padding(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """Return by how much outputs of whole rows change with the padding at their ends, relative to the largest.

    The batch is padded further, as it would be if its longest row were longer. What the padding looks like is left as
    it is: a convolution before a recurrent layer reads the next places, which is no harm where these are always the
    same. Rows of vectors, which end in zeros, are looked at only where their lengths are given, since a model may find
    the ends by the zeros.

    Args:
        model: with random weights.
        args: of a call whose first tensor is (rows, places) of tokens, or (rows, places, features), and
        kwargs: likewise.

    Returns:
        None where no row is padded, or the outputs are not one for each row.
    """
    given = [one for one in tensors_in([args, kwargs]) if one.ndim]
    if not given or min(given[0].shape[:2], default=0) < _FEWEST or any(one.ndim > 1 for one in given[1:]):
        return None
    rows = given[0]
    more = _longer(rows, lengths=any(not one.is_floating_point() and len(one) == len(rows) for one in given[1:]))
    if more is None:
        return None
    plain = outputs_of(copy.deepcopy(model), args, kwargs, seed=11)
    if any(rows.shape[1] in one.shape[1:] for one in plain):
        return None
    changed = mapped(lambda one: more if one is rows else one, (tuple(args), dict(kwargs)))
    return _apart(plain, outputs_of(copy.deepcopy(model), *changed, seed=11))


def _longer(rows: Tensor, *, lengths: bool) -> Tensor | None:
    """Return rows that are padded further; None where they are not padded at their ends, or that is not sure."""
    if rows.ndim == 2 and not rows.is_floating_point():
        found = padding_of(rows)
        if found is None or not bool(found[0][:, -1].any()):
            return None
        return torch.cat([rows, torch.full_like(rows, found[1])], 1)
    if rows.ndim != 3 or not rows.is_floating_point() or not lengths:
        return None
    empty = ~rows.any(-1)
    tail = ends_of(empty)
    if not bool((empty == tail).all()) or len(tail.sum(1).unique()) < 2:
        return None
    return torch.cat([rows, torch.zeros_like(rows)], 1)


def _apart(one: Sequence[Tensor], other: Sequence[Tensor]) -> float | None:
    """Return the largest difference, relative to the largest number; None where there is not one output for another."""
    size = max((float(each.abs().max()) for each in one if each.numel()), default=0.0)
    if len(one) != len(other) or any(a.shape != b.shape for a, b in zip(one, other, strict=True)) or not size:
        return None
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True)) / size
