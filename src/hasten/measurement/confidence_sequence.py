"""A confidence interval for paired differences that stays valid however often it is looked at."""

import math
from bisect import insort
from functools import cache

import numpy as np

ONE_SIDED = 0.05
"""Share of the pairs that disturbances may push to one side without harm to the coverage."""

_STAKES = np.array([0.1, 0.25, 0.5, 0.8, 0.98])  # of the wealth, on one sign: small ones find small effects


class ConfidenceSequence:
    """An anytime-valid interval for the median of differences, with no assumption about the shape of the noise.

    With probability `level`, the true center lies in the interval after every one of the readings at once, so one may
    look after each and stop when satisfied. The center is the median of the differences; it is also their undisturbed
    value where the noise is symmetric but for hiccups that push at most 5 % of the pairs to one side. Neither the
    variance nor symmetry nor light tails are assumed: block times have one-sided hiccups, which an interval for the
    center of symmetric noise misses in up to half of all sequences (benchmarks/results/interval_coverage.json).

    The method is betting on signs. For a candidate center c, wealth starts at 1, and a stake of it is bet on each
    reading lying above c. If c is at or above the center, a reading lies above it with probability at most
    q = (1 + 0.05) / 2 and each bet is fair or worse, so by Ville's inequality wealth ever reaches 2 / (1 - level) with
    probability at most (1 - level) / 2. The mean wealth of five stakes depends on c only by how many readings lie above
    it, so the lower bound is an order statistic: the k-th largest of n readings, k the fewest that reach the threshold.
    Eight readings of one sign are the fewest that exclude anything at 95 %.

    Args:
        level: share of sequences that hold the truth throughout, in (0, 1).
        reach: the center is known to lie within this of zero; bounds start there.

    Cost: about half as many pairs again as an interval that relies on symmetric noise.

    Source: Waudby-Smith and Ramdas (2024), doi:10.1093/jrsssb/qkad009 (betting); Howard and Ramdas (2022),
    doi:10.3150/21-BEJ1388 (quantiles); Wang and Ramdas (2023), arXiv:2301.09573 (disturbed shares).
    """

    def __init__(self, *, level: float = 0.95, reach: float = math.log(1000.0)) -> None:
        self.level = level
        self.reach = reach
        self._sorted: list[float] = []

    def add(self, reading: float) -> None:
        """Take one more difference into account."""
        insort(self._sorted, reading)

    def __len__(self) -> int:
        return len(self._sorted)

    def bounds(self) -> tuple[float, float]:
        """Return the lower and the upper end of the interval after the readings so far."""
        count = len(self._sorted)
        needed = fewest_above(count, self.level)
        if needed is None:
            return -self.reach, self.reach
        return self._sorted[count - needed], self._sorted[needed - 1]


@cache
def fewest_above(count: int, level: float = 0.95) -> int | None:
    """Return how many of `count` readings must lie above a candidate center to exclude it, None if all are too few."""
    fair = (1 + ONE_SIDED) / 2
    above = fair + (1 - fair) * _STAKES
    win, loss = np.log(above / fair), np.log((1 - above) / (1 - fair))
    threshold = math.log(2 / (1 - level)) + math.log(_STAKES.size)
    for number in range(count // 2 + 1, count + 1):
        if np.logaddexp.reduce(number * win + (count - number) * loss) >= threshold:
            return number
    return None


FEWEST_READINGS = next(count for count in range(1, 100) if fewest_above(count) is not None)
"""Fewer readings exclude nothing at 95 %."""
