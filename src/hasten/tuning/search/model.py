"""What blocks of steps say about every factor: a robust linear model of the logarithm of the time of a step.

The speed of a setting is the sum of what its factors gain, in logarithms, and of interactions of pairs; what a group of
blocks that ran one after another has in common (foreign load, clock) is an effect of the group. Interactions have a
prior: none without effects of their own, at most about as large as the smaller of the two (effect heredity).

Large residuals count for less (Huber, 1964): blocks that foreign load has hit. All settings share the size of the
noise, so that a few blocks of each are enough to know it.

The intervals may be looked at after each block. A 95 % interval of a normal mean that holds at all times is about 3
standard errors wide to either side (Robbins' mixture); the same follows for other noise in the limit (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, 2024, doi:10.1214/24-AOS2408). For few blocks the normal quantile is replaced by
Student's. `benchmarks/tuning/search_power.py` measures how often they miss the truth under heavy tails and bursts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr, stdtrit

from hasten.tuning.search.factors import NONE, Setting

Array = NDArray[np.float64]

LEVEL = 0.95
CLIP = 1.345
"""Standard errors beyond which a residual counts for less: 95 % efficient where the noise is normal."""
NORMAL_PSI = 0.7102
"""Mean square of a standard normal variable, clipped there."""
MAIN_SD, LEAST_INTERACTION = 0.5, 0.003
HEREDITY = 0.5
"""Standard deviation of an interaction, as a share of the smaller effect of the two."""
USUAL_NOISE, USUAL_COUNT = 0.03, 2.0
"""What the noise of a block is taken to be before it is measured, and how many readings that counts for."""
FEWEST_FREE = 3
"""Degrees of freedom of the noise below which nothing is certain."""
POWER = 1.28
"""Standard errors that an estimate is off by, to one side, in 10 % of cases."""
BEST_AT = 20.0
"""Degrees of freedom at which the interval is narrowest among those that hold at all times."""
FAR_LESS = 0.7
"""Times the noise of a fit that starts from small interactions: below, the one that starts from large ones is kept."""
_ROUNDS = 8


@dataclass
class Readings:
    """Logarithms of the seconds a sample takes, of blocks in groups."""

    settings: list[Setting] = field(default_factory=list[Setting])
    groups: list[int] = field(default_factory=list[int])
    logs: list[float] = field(default_factory=list[float])

    def add(self, setting: Setting, group: int, log_s: float) -> None:
        """Note one block."""
        self.settings.append(setting)
        self.groups.append(group)
        self.logs.append(log_s)

    def __len__(self) -> int:
        return len(self.logs)


@dataclass(frozen=True)
class Gain:
    """The logarithm of how many times faster one setting is than another, with the bounds that hold at all times."""

    value: float
    low: float
    high: float
    likely: float  # the probability that it is above zero
    error: float  # standard error

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


class Model:
    """The columns of the linear model: each factor, and each pair of factors that can be on together."""

    def __init__(self, factors: int, apart: Sequence[Setting]) -> None:
        self.factors = factors
        self.pairs = [(i, j) for i in range(factors) for j in range(i + 1, factors) if j not in apart[i]]
        self._first = np.array([i for i, _ in self.pairs], dtype=np.int64)
        self._second = np.array([j for _, j in self.pairs], dtype=np.int64)
        self._rows: dict[Setting, Array] = {}

    def row(self, setting: Setting) -> Array:
        """Return the columns of a setting."""
        if setting not in self._rows:
            mains = np.array([float(one in setting) for one in range(self.factors)])
            self._rows[setting] = np.concatenate([mains, mains[self._first] * mains[self._second]])
        return self._rows[setting]

    def rows(self, settings: Sequence[Setting]) -> Array:
        """Return the columns of settings, (settings, columns)."""
        return np.array([self.row(one) for one in settings]).reshape(len(settings), self.factors + len(self.pairs))

    def fit(self, readings: Readings) -> "Fit":
        """Return the effects after these readings.

        What interactions may be follows from effects, and those from what interactions may be. From small ones the fit
        can end where blocks that show a large one count as outliers; so it starts from large ones, too, and that fit is
        kept where it has far less noise.
        """
        rows, logs = self.rows(readings.settings), -np.array(readings.logs)
        groups = np.unique(np.array(readings.groups), return_inverse=True)[1] if len(readings) else np.zeros(0, int)

        def fitted(interactions: Array) -> Fit:
            return _fitted(rows, logs, groups, self._precision(interactions))

        starts = [fitted(np.full(len(self.pairs), size)) for size in (LEAST_INTERACTION, HEREDITY * MAIN_SD)]
        small, large = (fitted(self._interactions(start)) for start in starts)
        return large if large.noise < FAR_LESS * small.noise else small

    def _interactions(self, fit: "Fit") -> Array:
        """Return the standard deviation of each interaction where effects are about as a fit has them."""
        mains = np.maximum(np.abs(fit.mean[: self.factors]) - np.sqrt(np.diag(fit.cov)[: self.factors]), 0.0)
        return np.maximum(LEAST_INTERACTION, HEREDITY * np.minimum(mains[self._first], mains[self._second]))

    def _precision(self, interactions: Array) -> Array:
        return np.concatenate([np.full(self.factors, MAIN_SD**-2.0), interactions**-2.0])


@dataclass(frozen=True)
class Fit:
    """The effects of the columns, their covariance, and the noise of one block."""

    mean: Array
    cov: Array
    noise: float
    free: float  # degrees of freedom of the noise

    def gain(self, contrast: Array) -> Gain:
        """Return the gain of a difference of two rows."""
        value = float(contrast @ self.mean)
        error = math.sqrt(max(float(contrast @ self.cov @ contrast), 0.0))
        half = error * self.reach
        return Gain(value, value - half, value + half, float(stdtr(self.free, value / max(error, 1e-12))), error)

    @property
    def reach(self) -> float:
        """Half the width of an interval, in standard errors."""
        if self.free < FEWEST_FREE + USUAL_COUNT:
            return math.inf
        return always_valid(self.free)


def always_valid(free: float, *, level: float = LEVEL) -> float:
    """Return how many standard errors an interval that holds at all times has to either side."""
    seen = free / BEST_AT * 8.0  # the boundary of Robbins' mixture is narrowest where this is about 8
    normal = math.sqrt((1 + 1 / seen) * math.log((seen + 1) / (1 - level) ** 2))
    return float(-stdtrit(free, ndtr(-normal)))


def smallest_gain(noise: float, blocks: float) -> float:
    """Return the gain, in logarithms, that so many blocks of a factorial show with a probability of about 90 %.

    A factor is on in half of the blocks, and each group of four gives up one for what its blocks have in common.

    Args:
        noise: standard deviation of the logarithm of a block's time.
        blocks: how many there will be.
    """
    error = 2 * noise / math.sqrt(max(blocks, 1.0) * 3 / 4)
    return error * (always_valid(max(0.75 * blocks, FEWEST_FREE)) + POWER)


def _fitted(rows: Array, logs: Array, groups: NDArray[np.int64], precision: Array) -> Fit:
    """Return the robust fit by iteratively reweighted least squares; effects of groups are taken out first."""
    count, columns = rows.shape
    if not count:
        return Fit(np.zeros(columns), np.diag(1 / precision), USUAL_NOISE, USUAL_COUNT)
    number = int(groups.max()) + 1
    weights, noise, mean, free, left = np.ones(count), math.inf, np.zeros(columns), 1.0, logs
    for _ in range(_ROUNDS):
        x, y = centered(rows, weights, groups, number), centered(logs[:, None], weights, groups, number)[:, 0]
        weighted = x.T * weights
        information = weighted @ x
        scale = noise if math.isfinite(noise) else USUAL_NOISE
        inverse = np.linalg.inv(information + scale**2 * np.diag(precision))
        mean = inverse @ (weighted @ y)
        left = y - x @ mean
        free = max(count - number - float(np.trace(inverse @ information)), 0.0)
        noise = _noise(left, free, noise)
        weights = CLIP / np.maximum(np.abs(left) / noise, CLIP)
    z = left / noise
    slope = max(float((np.abs(z) < CLIP).mean()), 0.25)
    spread = float(np.square(np.clip(z, -CLIP, CLIP)).sum()) + NORMAL_PSI * USUAL_COUNT
    variance = noise**2 * spread / (free + USUAL_COUNT) / slope**2
    x = centered(rows, np.ones(count), groups, number)
    cov = np.asarray(variance * np.linalg.inv(x.T @ x + variance * np.diag(precision)), dtype=np.float64)
    return Fit(mean, cov, noise, free + USUAL_COUNT)


def _noise(left: Array, free: float, before: float) -> float:
    """Return the standard deviation of the noise: Huber's second proposal, started from the median."""
    if not math.isfinite(before):
        before = max(1.4826 * float(np.median(np.abs(left))) * math.sqrt(left.size / max(free, 1.0)), 1e-4)
    clipped = np.square(np.clip(left, -CLIP * before, CLIP * before)).sum() / NORMAL_PSI
    return max(math.sqrt((float(clipped) + USUAL_COUNT * USUAL_NOISE**2) / (free + USUAL_COUNT)), 1e-4)


def centered(values: Array, weights: Array, groups: NDArray[np.int64], number: int) -> Array:
    """Return the values less the weighted mean of their group."""
    starts = np.searchsorted(groups, np.arange(number))  # readings come group by group
    sums = np.add.reduceat(values * weights[:, None], starts)
    totals = np.bincount(groups, weights, number)
    return values - (sums / totals[:, None])[groups]


def difference(model: Model, after: Setting, before: Setting = NONE) -> Array:
    """Return the row of one setting less that of another."""
    return model.row(after) - model.row(before)
