"""Whether a training begins anew with the same tensors: their numbers are drawn again or set back, as for each fold."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor
from torch.nn.parameter import UninitializedParameter

_TENSORS, _ENTRIES, _STARTS = 8, 1024, 8
_ENOUGH, _ERRORS, _UNRELATED = 64, 4.0, 0.25


class Beginnings:
    """Keeps some numbers of tensors as each optimizer finds them first, and as updates leave them."""

    def __init__(self) -> None:
        self._starts: dict[frozenset[int], list[Tensor]] = {}
        self._last: dict[frozenset[int], Tensor] = {}

    def begins_anew(self, tensors: Sequence[Tensor]) -> bool:
        """Note what an optimizer finds; return whether that does not go on from what the updates before it left.

        So it is where the numbers are those that another optimizer began with, or are no more like the last ones
        that were seen than chance makes them.
        """
        key, now = _key(tensors), _some_of(tensors)
        starts, last = self._starts.setdefault(key, []), self._last.get(key)
        again = any(_are_equal(now, one) for one in starts) or (last is not None and _are_unrelated(now, last))
        if len(starts) < _STARTS:
            starts.append(now)
        return again

    def updated(self, tensors: Sequence[Tensor]) -> None:
        """Note what an update leaves. Cost: a copy of 8,192 numbers at most, and no wait for a device."""
        self._last[_key(tensors)] = _some_of(tensors)


def _key(tensors: Sequence[Tensor]) -> frozenset[int]:
    return frozenset(id(one) for one in tensors)


def _some_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return numbers of the first matrices; of the other tensors where there are none."""
    tensors = [one for one in tensors if one.is_floating_point() and not isinstance(one, UninitializedParameter)]
    matrices = [one for one in tensors if one.ndim > 1] or tensors
    found = [getattr(one, "to_local", lambda one=one: one)().detach().reshape(-1) for one in matrices[:_TENSORS]]
    return torch.cat([one[:_ENTRIES].float().to(found[0].device) for one in found]) if found else torch.zeros(0)


def _are_equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _are_unrelated(one: Tensor, other: Tensor) -> bool:
    """Return whether the correlation of many numbers is none; that with a constant is not known."""
    if one.shape != other.shape or len(one) < _ENOUGH:
        return False
    correlation = abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1]))
    return correlation < min(_UNRELATED, _ERRORS / sqrt(len(one)))
