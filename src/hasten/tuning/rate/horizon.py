"""How much lower the best rate of a whole training is than that of a short branch.

The held-out loss after t steps at the rate r is taken as f(r t) + n r: what gradient descent has reached by then, which
depends on rate and time as a product, and the noise of a rate that is not lowered at the end, which grows with the rate
(Mandt et al., 2017, arXiv:1704.04289). Where f falls as a power law with exponent p, the best rate x r of a training
that is R times as long as a branch with the best rate r solves x^(1 + p) = s / (n r R^p); s is by how much the branch
lowered the loss when its length rose by a factor e. Where the schedule ends near zero the noise is annealed, and the
best rate of longer trainings falls slowly (exponent 0.32 in Bjorck et al., 2024, arXiv:2409.19913).
"""

import math
from itertools import pairwise

from hasten.training.session import Session
from hasten.tuning.rate.start import set_rates

POWER = 0.5
"""p: of loss against steps; 0.3 to 1 is usual."""
ANNEALED = 0.3
"""Exponent by which the best rate falls with the length of a training whose schedule ends near zero."""
ENDS_LOW = 0.2
"""Of its peak: a schedule that ends below it anneals the noise."""
LOWEST = 0.01
"""Least factor: the model is not trusted beyond."""


def anneals(run: Session) -> bool:
    """Return whether the schedule of a training ends far below its peak."""
    rates = list[float]()
    for place in range(21):
        set_rates(run, min(place / 20, 1 - 1e-6), 1.0)
        rates.append(max(float(group["lr"]) for group in run.optimizer.param_groups))
    set_rates(run, 0.0, 1.0)
    return rates[-1] < ENDS_LOW * max(rates)


def of_annealed(times: float) -> float:
    """Return the factor for a training that is so many times as long as a branch, and anneals."""
    return max(LOWEST, max(1.0, times) ** -ANNEALED)


def of_constant(times: float, *, short: tuple[float, float], long: tuple[float, float], noise: float) -> float:
    """Return the factor for a training that is so many times as long as a branch, whose rate stays up to the end.

    Args:
        times: steps of the training over those of the long branch.
        short: steps and cooled-down loss of a branch at the best rate.
        long: the same of a longer one.
        noise: loss at the full rate minus that after the cool-down.
    """
    gain = (short[1] - long[1]) / math.log(long[0] / short[0])
    if times <= 1 or noise <= 0 or not math.isfinite(gain):
        return 1.0
    return min(1.0, max(LOWEST, (max(gain, 0.0) / (noise * times**POWER)) ** (1 / (1 + POWER))))


def lowest_point(rates: list[float], losses: list[float]) -> float:
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
