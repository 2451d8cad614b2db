"""Whether inputs were standardized with the numbers of the evaluation, too, as their mean and spread prove.

All samples together have a mean of 0 and a standard deviation of 1, and those of the training alone have not. Where the
parts were drawn at random both are nearly the same, and the leak tells the model nothing: only a shift beyond chance
counts, as of a series that is split by time.
"""

import math
from collections.abc import Sequence

from hasten.base.records.data_facts import Part

_EXACT, _NEAR = 2e-3, 0.03
"""Distances from 0 and 1: of columns of a table, and of windows, which have the numbers at their ends less often."""
_SHIFT, _ERRORS = 0.1, 5.0
_COLUMNS = 0.25  # share that is shifted
_FEWEST = 32


def scaled_together(training: Part, others: Sequence[Part]) -> float | None:
    """Return the largest shift of the training's mean, in standard deviations of all; None where it was alone."""
    parts = [one for one in others if not one.same_set and not one.overlap and one.channels]
    groups = [parts, *([one] for one in parts)] if len(parts) > 1 else [parts]
    return max((_shift(training, group) or 0.0 for group in groups if group), default=0.0) or None


def _shift(training: Part, others: Sequence[Part]) -> float | None:
    parts = (training, *others)
    width = len(training.channels)
    whole = all(one.described >= max(_FEWEST, one.size or math.inf) for one in parts)
    if not whole or training.pictures or any(len(one.channels) != width for one in others):
        return None
    near = _EXACT if training.elements == width else _NEAR
    total = sum(one.described for one in parts)
    shifts: list[float] = []
    for at in range(width):
        mean = sum(one.described * one.channels[at] for one in parts) / total
        square = sum(one.described * (one.spreads[at] ** 2 + one.channels[at] ** 2) for one in parts) / total
        spread = math.sqrt(max(0.0, square - mean * mean))
        if spread < _EXACT and abs(mean) < _EXACT:  # a constant column
            continue
        if abs(mean) > near or abs(spread - 1) > near:
            return None
        shift = abs(training.channels[at])
        shifts.append(shift if shift > max(_SHIFT, _ERRORS * training.errors[at]) else 0.0)
    shifted = sum(map(bool, shifts))
    return max(shifts) if shifted and shifted >= _COLUMNS * len(shifts) else None
