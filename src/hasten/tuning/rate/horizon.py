"""How much lower the best rate of a whole training is than that of a short branch.

The best rate falls with the length of a training as a power of it. The exponent is measured by branches of two lengths
and drawn towards the usual one: what limits the rate of a long training (noise, overfitting) is seen in a short branch
in part only. In the ten small trainings of `benchmarks/tuning/lr_choice.py`, 4 to 75 times as long as the branches, the
exponents are -0.2 to -1.3. For longer ones that of large language models is used: -0.32 in Bjorck et al., 2024
(arXiv:2409.19913).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from hasten.training.session import Session
from hasten.tuning.rate.start import set_rates

USUAL = -0.75
"""Exponent of the best rate in the length of the training; fitted, with the next one, on those small trainings."""
TRUST = 0.45
"""Weight of the measured exponent against the usual one."""
STEEPEST = -0.8
FITTED_TIMES, BEYOND = 75, -0.32
"""Lengths of a training over that of a branch up to which both were fitted, and the exponent of further ones."""
ENDS_LOW = 0.2
"""Of its peak: a schedule that ends below it anneals the noise."""
LOWEST = 0.01
"""Least factor: nothing is extrapolated further."""


def anneals(run: Session) -> bool:
    """Return whether the schedule of a training ends far below its peak."""
    rates = list[float]()
    for place in range(21):
        set_rates(run, min(place / 20, 1 - 1e-6), 1.0)
        rates.append(max(float(group["lr"]) for group in run.optimizer.param_groups))
    set_rates(run, 0.0, 1.0)
    return rates[-1] < ENDS_LOW * max(rates)


def extrapolated(times: float, *, short: tuple[float, float], long: tuple[float, float]) -> float:
    """Return the best rate of a training over that of the long branches.

    Args:
        times: steps of the training over those of a long branch.
        short: steps of short branches, and the best rate of these.
        long: the same of long ones.
    """
    if times <= 1:
        return 1.0
    measured = math.log(long[1] / short[1]) / math.log(long[0] / short[0])
    exponent = min(0.0, max(STEEPEST, TRUST * measured + (1 - TRUST) * USUAL))
    fitted = min(times, FITTED_TIMES)
    return max(LOWEST, fitted**exponent * (times / fitted) ** BEYOND)


def lowest_point(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate at the vertex of the parabola through the lowest loss and its neighbors, in the log of the rate.

    At a border, or where a neighbor diverged, it is the rate of the lowest loss.
    """
    best = min(range(len(rates)), key=lambda place: losses[place])
    if best in (0, len(rates) - 1):
        return rates[best]
    x = [math.log(rate) for rate in rates[best - 1 : best + 2]]
    y = losses[best - 1 : best + 2]
    (left, right) = ((y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(zip(x, y, strict=True)))
    if not (math.isfinite(left) and math.isfinite(right)) or right <= left:
        return rates[best]
    vertex = (x[0] + x[1]) / 2 - left * (x[2] - x[0]) / 2 / (right - left)
    return math.exp(min(max(vertex, x[0]), x[2]))
