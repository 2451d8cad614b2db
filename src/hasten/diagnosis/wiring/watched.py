"""Whether the number that a scheduler watches gets better the way that the scheduler takes for worse.

Which way is better follows from the losses: those of the evaluations at the same steps, else those of the training. A
loss of the validation may rise while that of the training falls; so without evaluations only shares of right answers
are judged, which are whole numbers of samples over one count, and end above a half.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.wiring import Schedule
from hasten.diagnosis.dynamics.judging import known, mean, median

FEWEST = 6
"""Numbers below which nothing is said."""
_DIFFERENT = 0.1  # relative difference
_ROSE = 0.1  # of all answers, that more must be right
_DISTINCT = 4  # shares of which no two are equal
_COUNT = 10_000  # samples that shares are of, at most
_ROUNDING = 1e-6  # of float32, which some shares are computed in


def improves_against_mode(one: Schedule, dynamics: Dynamics) -> bool:
    """Return whether the learning rate was lowered since the number improved, against the mode of the scheduler."""
    seen = one.watched
    if one.mode not in ("min", "max") or len(seen) < FEWEST or not seen[-1].rate < seen[0].rate:
        return False
    rises, values = one.mode == "min", [each.value for each in seen]
    start, end = values[0], _end(values)
    if not (end > start if rises else end < start) or not _starts_best(values, one.mode):
        return False
    evaluated = {each.step: each.loss for each in dynamics.evaluations}
    losses = [evaluated.get(each.step) for each in seen]
    if None not in losses:
        return _fell(known(losses)) and _differ(start, end)
    levels = _levels(one, dynamics)
    if not _fell(levels):
        return False
    if rises:
        return end > 0.5 * _whole(values) and end - start >= _ROSE * _whole(values) and _are_shares(values)
    return _differ(start, end) and not any(_differ(value, level) for value, level in zip(values, levels, strict=True))


def _starts_best(values: Sequence[float], mode: str) -> bool:
    """Return whether none of the later numbers is better by the mode."""
    return values.index(min(values) if mode == "min" else max(values)) < max(2, len(values) // 10)


def _end(values: Sequence[float]) -> float:
    return median(values[-max(2, len(values) // 3) :])


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > _DIFFERENT * max(abs(one), abs(other))


def _fell(losses: Sequence[float]) -> bool:
    """Return whether losses fell from the first to the last ones."""
    return len(losses) >= FEWEST and losses[0] - _end(losses) > _DIFFERENT * abs(losses[0])


def _levels(one: Schedule, dynamics: Dynamics) -> list[float]:
    """Return the mean training loss before each number; none where some was not seen."""
    steps = [0, *(each.step for each in one.watched)]
    parts = [known(dynamics.losses[begin:end]) for begin, end in pairwise(steps)]
    return [mean(part) for part in parts] if all(parts) else []


def _whole(values: Sequence[float]) -> float:
    """Return what a share of all is: 1, or 100 for percent."""
    return 1.0 if max(values) <= 1 else 100.0


def _are_shares(values: Sequence[float]) -> bool:
    """Return whether numbers are whole numbers over one count. Cost: a millisecond per number."""
    shares = np.array(values) / _whole(values)
    if shares.min() < 0 or shares.max() > 1 or len(set(values)) < _DISTINCT:
        return False
    counts = np.arange(2, _COUNT + 1)
    products = counts[:, None] * shares[None, :]
    return bool((np.abs(products - products.round()) <= _ROUNDING * counts[:, None]).all(1).any())
