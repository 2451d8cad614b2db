"""How much the gain of a plan differs from one time to another, as the blocks of a search show it.

Where other guests of the same host slow some operators more than others, a plan gains 2.5x in one half minute and
2.9x in the next, and pairs that are timed within a few seconds, however many, show the gain of those seconds only.
The blocks of a search spread over all of its time: in each group settings of high and of low gain are timed one after
another. By how much the gains of that group are larger or smaller than on the whole is drift as far as the groups
after it share it; what they do not share is noise. All gains are taken to drift in proportion.
"""

import math

import numpy as np

from hasten.tuning.search.model import Array, Fit, Model, Readings, centered

FEWEST_GROUPS = 8
"""Below, a search is too short to show a drift."""
GROUPS_AFTER = 3
"""With how many of the groups after it each is compared."""
CLIP = 3.0
"""Noises of a block beyond which it counts as disturbed."""


def drift(model: Model, fit: Fit, readings: Readings, contrast: Array) -> float:
    """Return the standard deviation over time of a gain, in logarithms.

    0 where groups do not share more than chance has them share, or are too few. It is that of the times which the
    readings show: a search of half a minute knows nothing of what changes from hour to hour.

    Args:
        model: the columns of `fit`.
        fit: the effects that these readings show.
        readings: blocks, group by group, in the order they were timed.
        contrast: the difference of two rows of the model, whose gain it is.
    """
    if len(set(readings.groups)) < FEWEST_GROUPS:
        return 0.0
    groups = np.unique(np.array(readings.groups), return_inverse=True)[1]
    number = int(groups.max()) + 1
    gains = model.rows(readings.settings) @ fit.mean
    both = np.stack([gains, -np.array(readings.logs) - gains], axis=1)
    gains, left = centered(both, np.ones(len(gains)), groups, number).T
    left = np.clip(left, -CLIP * fit.noise, CLIP * fit.noise)
    weights = np.bincount(groups, gains * gains)  # of what a group says about its gains
    total = float(weights.sum())
    if total == 0:
        return 0.0
    shared = np.bincount(groups, gains * left)
    shared -= weights * shared.sum() / total
    after = range(1, GROUPS_AFTER + 1)
    together = sum(float(shared[one:] @ shared[:-one]) for one in after)
    weight = sum(float(weights[one:] @ weights[:-one]) for one in after)
    return abs(float(contrast @ fit.mean)) * math.sqrt(max(together, 0.0) / max(weight, 1e-12 * total**2))
