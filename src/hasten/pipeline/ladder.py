"""The best rung of a ladder of remedies, such as learning rates, by one training for each rung looked at."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

Rung = TypeVar("Rung")
_WORSE = 2
"""Rungs in a row that must be worse than the best one."""
_CLEARLY = 0.1
"""Share of the loss without a remedy that the best rung must take away before a worse one ends the search."""


def best_rung(ladder: Sequence[Rung], loss: Callable[[Rung], float], *, plain: float) -> tuple[Rung, int]:
    """Return the rung with the lowest loss, and how many were looked at.

    Every second rung is looked at until two in a row are worse than the best: losses of trainings that are thrown
    about differ by chance. The best must be clearly better than no remedy, too: losses that stay at chance say nothing
    of the direction. Then the rungs beside the best one are looked at. This finds the lowest loss where losses first
    fall along the ladder and then rise.

    Args:
        ladder: rungs, each further from the training as it is; two at least.
        loss: of a rung, infinite where it is not a finite number.
        plain: loss without a remedy.
    """
    seen: dict[int, float] = {}
    worse = 0
    for place in range(1, len(ladder), 2):
        seen[place] = loss(ladder[place])
        best = min(seen.values())
        worse = worse + 1 if seen[place] > best else 0
        if worse >= _WORSE and _clearly_better(best, plain):
            break
    place = min(seen, key=lambda one: seen[one])
    for beside in (place - 1, place + 1):
        if 0 <= beside < len(ladder):
            seen[beside] = loss(ladder[beside])
    return ladder[min(seen, key=lambda one: seen[one])], len(seen)


def _clearly_better(best: float, plain: float) -> bool:
    return not math.isfinite(plain) or best < plain - _CLEARLY * abs(plain)
