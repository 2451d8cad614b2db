"""Intervals of few ratios, and of products of ratios."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from hasten.base.records.interval import Interval


def of_few(ratios: Sequence[float], *, level: float = 0.95) -> Interval:
    """Return the geometric mean of at least two ratios with Student's t interval of their logarithms.

    For whole trainings, of which there are 3 to 10: a trimmed mean (`hasten.measurement.statistics`) would throw away
    two of five, and nothing in a pair of trainings is a mere disturbance, as a wild reading of a clock is.
    """
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    center, count = float(logs.mean()), len(logs)
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * float(logs.std(ddof=1)) / math.sqrt(count)
    low, high = math.exp(center - half), math.exp(center + half)
    return Interval(value=math.exp(center), low=low, high=high, n=count, level=level)


def product(first: Interval, second: Interval) -> Interval:
    """Return the interval of the product of two independent ratios; errors add up in quadrature, as logarithms."""
    value = first.value * second.value
    below = math.hypot(math.log(first.value / first.low), math.log(second.value / second.low))
    above = math.hypot(math.log(first.high / first.value), math.log(second.high / second.value))
    return Interval(value=value, low=value * math.exp(-below), high=value * math.exp(above), n=min(first.n, second.n))
