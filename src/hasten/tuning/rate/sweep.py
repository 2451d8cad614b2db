"""The stability edge: the rate at which the loss rises, found by raising the rate from step to step.

A range test says little about the best rate: over so few steps the loss prefers rates that are far off (Wu et al.,
2018, arXiv:1803.02021). It only says where training stops working, so that no branch is wasted far above.
"""

import math

from hasten.tuning.rate.start import Start, train_from

POINTS_PER_DECADE = 10
DECADES_BELOW, DECADES_ABOVE = 2, 6
"""Of the task's own rate, where a sweep begins and where it ends at the latest."""
SMOOTHING = 0.7
"""Of the exponential mean of the loss: about three steps."""
LOST = 0.5
"""Of what the loss had fallen, that has to be lost again for training to count as unstable."""
NOISE = 3.0
"""Standard deviations of the loss at the first steps, above its start, that count as unstable where it never fell."""
_FIRST = 5
_FURTHEST_DOWN = 6


class Sweep:
    """Loss against factor of the task's rates, from one start.

    Attributes:
        factors: that were tried, rising.
        losses: smoothed.
        edge: the factor at which the loss rose; None if it did not rise up to the largest.
        steps: that were made.
    """

    def __init__(self, start: Start) -> None:
        self.steps = 0
        lowest = -DECADES_BELOW
        while True:
            self.factors, self.losses, self.edge = self._swept(start, lowest)
            if self.edge is None or len(self.factors) > _FIRST or lowest <= -_FURTHEST_DOWN:
                return
            lowest -= DECADES_BELOW  # unstable from the first steps on: begin lower

    def _swept(self, start: Start, lowest: int) -> tuple[list[float], list[float], float | None]:
        count = (DECADES_ABOVE - lowest) * POINTS_PER_DECADE
        factors = [10 ** (lowest + place / POINTS_PER_DECADE) for place in range(count)]
        mean, raw, smooth = 0.0, list[float](), list[float]()
        for number, loss in enumerate(train_from(start, lambda number: (0.0, factors[number]), count)):
            self.steps += 1
            raw.append(float(loss.average()))
            mean = SMOOTHING * mean + (1 - SMOOTHING) * raw[-1]
            smooth.append(mean / (1 - SMOOTHING ** (number + 1)))
            if _unstable(raw, smooth):
                return factors[: number + 1], smooth, factors[number]
        return factors, smooth, None


def _unstable(raw: list[float], smooth: list[float]) -> bool:
    """Return whether the loss is not finite, or has lost most of its fall, or is far above its start."""
    if not math.isfinite(raw[-1]):
        return True
    if len(raw) <= _FIRST:
        return raw[-1] > 4 * raw[0] > 0
    first = raw[:_FIRST]
    begin = sum(first) / _FIRST
    noise = math.sqrt(sum((one - begin) ** 2 for one in first) / (_FIRST - 1))
    best = min(smooth)
    if begin - best > NOISE * noise:
        return smooth[-1] > best + LOST * (begin - best)
    return smooth[-1] > begin + max(NOISE * noise, 0.1 * abs(begin))
