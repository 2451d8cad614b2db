"""By how many steps a technique lags behind the baseline: paired branches from several points of a training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from hasten.base.records.record import Interval
from hasten.base.units import percent
from hasten.tuning.tolerances import LAG_LEVEL, LEAST_LOSS_SHARE

LARGEST = 50.0
"""Logarithm of a change of the loss that is as bad as any."""


@dataclass(frozen=True)
class Point:
    """What the branches from one point showed.

    Args:
        loss: held-out loss of the baseline's branch.
        halfway: that of its branch of half the steps, which cools down, too.
        twins: those of its branches that differ by chance alone.
        changes: candidate's minus baseline's loss of each part of the held-out samples, (parts,), which add up to that
            of all.
        weights: share of each part in the mean loss, (parts,).
    """

    loss: float
    halfway: float
    twins: tuple[float, ...]
    changes: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Lag:
    """How much worse a candidate's branches end.

    Args:
        change: of the held-out loss, as a share of it, with its interval; None where a branch diverged.
        drop: of that loss, as a share, that as many steps again bring the baseline; not positive where none.
        allowed: share of the steps that it may lag behind.
    """

    change: Interval | None
    drop: float
    allowed: float

    @property
    def margin(self) -> float:
        """What the loss may be higher, as a share of it."""
        return max(LEAST_LOSS_SHARE, self.allowed * self.drop)

    @property
    def worse(self) -> bool:
        """Whether it surely lags behind by more than is allowed."""
        return self.change is None or self.change.low > self.margin

    def steps(self, change: float) -> float:
        """Return the share of a branch's steps by which the baseline makes up for a change of the loss."""
        return change / self.drop if self.drop > 0 else math.copysign(math.inf, change)

    def text(self) -> str:
        """Return the sentence about it."""
        if self.change is None:
            return "it diverges"
        found = self.change
        said = f"held-out loss {100 * found.value:+.2g} % [{100 * found.low:+.2g}, {100 * found.high:+.2g}]"
        if self.drop <= 0:
            return f"{said}, {percent(self.margin)} allowed, where more steps bring nothing"
        lag, low = self.steps(found.value), self.steps(found.low)
        return (
            f"{said}: it lags by {percent(lag)} of the steps, at least {percent(low)}, {percent(self.allowed)} allowed"
        )


def lag_of(points: Sequence[Point], *, allowed: float) -> Lag:
    """Return by how much a candidate lags behind over these points; valid at each of three looks.

    The errors: what chance makes of two trainings, from branches of the baseline that differ by it alone and from how
    the candidate's changes vary between points; and the choice of held-out samples, paired part by part. Both sides of
    the interval hold with `LAG_LEVEL` at one look.

    Args:
        points: with finite losses of the baseline, at least one twin at the first.
        allowed: share of the steps.
    """
    scales = [max(abs(one.loss), 1e-12) for one in points]
    drop = 2 * float(np.mean([(one.halfway - one.loss) / scale for one, scale in zip(points, scales, strict=True)]))
    parts = [one.changes / scale for one, scale in zip(points, scales, strict=True)]
    if not all(np.isfinite(one).all() for one in parts):
        return Lag(None, drop, allowed)
    by_chance = _damped(
        [(twin - one.loss) / scale for one, scale in zip(points, scales, strict=True) for twin in one.twins]
    )
    shares = [float(one.sum()) for one in parts]
    changes = _damped(shares)
    change, free = float(changes.mean()), len(by_chance) + len(changes) - 1
    variance = float(np.square(by_chance).sum() + np.square(changes - change).sum()) / free
    damped = [part / (1 + abs(share)) for part, share in zip(parts, shares, strict=True)]
    error = math.sqrt(variance / len(points) + _sampling_variance(damped, points))
    half = float(stdtrit(free, LAG_LEVEL)) * error
    value, low, high = (
        math.copysign(math.expm1(min(abs(one), LARGEST)), one) for one in (change, change - half, change + half)
    )
    return Lag(Interval(value, low, high, n=len(points), level=2 * LAG_LEVEL - 1), drop, allowed)


def _damped(shares: Sequence[float]) -> NDArray[np.float64]:
    """Return log(1 + x) to either side of 0, so that harm of any size at one point does not look like chance."""
    return np.copysign(np.log1p(np.abs(shares)), shares)


def _sampling_variance(parts: Sequence[NDArray[np.float64]], points: Sequence[Point]) -> float:
    """Return the variance of the mean change from the choice of held-out samples, which all points share."""
    if len({len(one) for one in parts}) > 1 or len(parts[0]) < 2:
        return 0.0
    each = np.mean(parts, axis=0)
    residuals = each - each.sum() * points[0].weights
    return float(np.square(residuals).sum()) * len(each) / (len(each) - 1)
