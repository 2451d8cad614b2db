"""Targets of values taken apart: a reward, and a multiple of the value of the next state."""

from collections.abc import Sequence
from itertools import permutations

import torch
from torch import Tensor

_DISCOUNTS = (0.05, 1.0005)
_EXACT = 1e-4  # of the largest target
_CANDIDATES = 24


def next_values(outputs: Sequence[Tensor], count: int) -> list[Tensor]:
    """Return what may be values of next states, each (count,) in float64.

    Args:
        outputs: of models, (count,), (count, 1), or (count, actions).
        count: samples of the batch.
    """
    single = [one.reshape(-1).double().cpu() for one in outputs if one.numel() == count]
    tables = [one.double().cpu() for one in outputs if one.ndim == 2 and len(one) == count and one.shape[1] > 1]
    best = [one.max(1).values for one in tables]
    double = [
        one.gather(1, other.argmax(1, keepdim=True)).squeeze(1)
        for one, other in permutations(tables, 2)
        if one.shape == other.shape
    ]
    least = [torch.minimum(one, other) for number, one in enumerate(single) for other in single[number + 1 :]]
    return [*single, *best, *double, *least]


def returns_of(target: Tensor, rewards: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor | None:
    """Return c v of the one sum r + c v that a target is in all of its numbers; None where none is.

    Args:
        target: (samples,).
        rewards: candidates for r, each (samples,).
        values: candidates for v, each (samples,); c is the same for all samples, above 0 and at most 1.
    """
    size = float(target.abs().max())
    for value in values[:_CANDIDATES]:
        large = value.abs() > 1e-3 * value.abs().max()
        if not bool(large.any()) or not bool(torch.isfinite(value).all()):
            continue
        for reward in rewards[:_CANDIDATES]:
            rest = target - reward
            discount = float((rest[large] / value[large]).median())
            if not _DISCOUNTS[0] <= discount <= _DISCOUNTS[1]:
                continue
            if float((rest - discount * value).abs().max()) <= _EXACT * size:
                return discount * value
    return None
