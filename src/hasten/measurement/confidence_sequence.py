"""A confidence interval for paired differences that stays true however often one looks at it."""

import math

import numpy as np
from numpy.typing import NDArray

from hasten.measurement.statistics import robust_sigma

_BETS = np.array([0.15, 0.3, 0.6, 1.2, 2.4])  # best for effects of as many standard deviations
_CLIP = 3.0  # standard deviations; a wilder reading counts as this one
_READINGS_FOR_SCALE = 4
_BISECTIONS = 40


class ConfidenceSequence:
    """An anytime-valid interval for the center of differences whose noise is symmetric.

    With probability `level`, the true center lies in the interval after every one of the readings at once, so one may
    look after each and stop when satisfied. Nothing is asked of the noise but that its sign is a fair coin given its
    size and the past. Where the order of each pair is drawn by a fair coin and both sides are the same code, that is so
    by design, whatever the drift, the outliers and the correlation; where one side costs a constant factor more, it is
    so for the logarithms of the times. No variance is assumed known, no normality, no number of looks: that is why this
    and not a t test with alpha spending, whose looks must be planned and whose tails must be normal.

    The method is betting: for a candidate center c, wealth starts at 1 and is multiplied for each reading d by
    2 / (1 + exp(-2 b x)) with x = clip((d - c) / s) and s a scale known before d. If x is symmetric the factor averages
    1, so by Ville's inequality wealth passes 2 / alpha with probability at most alpha / 2. The bound is the c at which
    the mean wealth over five bets b reaches 2 / alpha. For normal noise the best b is the effect in standard
    deviations. Seven like-signed readings are the fewest that can exclude anything at 95 %.

    Args:
        level: share of sequences that hold the truth throughout, in (0, 1).
        sigma: a guess of the noise, for the first readings; a wrong one costs readings, never the guarantee.
        reach: the center is known to lie within this of zero; bounds start there.

    Source: de la Peña (1999), doi:10.1214/aop/1022677289 (symmetric differences); Waudby-Smith and Ramdas (2024),
    doi:10.1093/jrsssb/qkad009 (intervals by betting). We bet with the logistic factor: exact under symmetry.
    """

    def __init__(self, *, level: float = 0.95, sigma: float = 0.02, reach: float = math.log(1000.0)) -> None:
        self.level = level
        self.reach = reach
        self._sigma = sigma
        self._readings: list[float] = []
        self._scales: list[float] = []

    def add(self, reading: float) -> None:
        """Take one more difference into account."""
        self._scales.append(self._next_scale())
        self._readings.append(reading)

    def bounds(self) -> tuple[float, float]:
        """Return the lower and the upper end of the interval after the readings so far."""
        readings, scales = np.array(self._readings), np.array(self._scales)
        return self._lower_bound(readings, scales), -self._lower_bound(-readings, scales)

    def _next_scale(self) -> float:
        """Return the scale for the next reading, from earlier ones only: that keeps the bet fair."""
        if len(self._readings) < _READINGS_FOR_SCALE:
            return self._sigma
        return max(robust_sigma(self._readings), 1e-3 * self._sigma)  # readings may be equal where the clock is coarse

    def _lower_bound(self, readings: NDArray[np.float64], scales: NDArray[np.float64]) -> float:
        threshold = math.log(2 / (1 - self.level))
        low, high = -self.reach, self.reach
        if log_wealth(readings, scales, center=low) < threshold:
            return low
        for _ in range(_BISECTIONS):  # wealth falls as the center rises
            middle = (low + high) / 2
            if log_wealth(readings, scales, center=middle) < threshold:
                high = middle
            else:
                low = middle
        return low


def log_wealth(readings: NDArray[np.float64], scales: NDArray[np.float64], *, center: float) -> float:
    """Return the logarithm of the mean wealth of bets that the readings lie above `center`."""
    x = np.clip((readings - center) / scales, -_CLIP, _CLIP)
    wealth = readings.size * math.log(2) - np.logaddexp(0.0, -2 * np.outer(_BETS, x)).sum(axis=1)
    return float(np.logaddexp.reduce(wealth)) - math.log(_BETS.size)
