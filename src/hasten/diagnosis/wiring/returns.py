"""In which order rewards were added up to the weights of log-probabilities."""

import numpy as np
from torch import Tensor

FEWEST = 8
"""Rewards of an episode; of fewer, any weights fit."""
_EXACT = 1e-4  # residual over the standard deviation of the weights
_DISCOUNTS = (0.05, 1.0005)


def order_of(weights: Tensor, rewards: Tensor) -> str:
    """Return how weights follow from the rewards of the same steps, both (steps,) and in the order of time.

    Returns:
        "backward" where w_t = a r_t + g w_{t+1} + b for some a, b and discount g, as of returns, standardized or not;
        "forward" where w_t = a r_t + g w_{t-1} + b: rewards of the past; "reversed" where the weights are returns in
        the reverse order; "" where none fits, or more than one does.
    """
    w, r = weights.numpy().astype(float), rewards.numpy().astype(float)
    if len(w) < FEWEST or not np.isfinite(w).all() or not np.isfinite(r).all() or w.std() <= 1e-9 * np.abs(w).max():
        return ""
    found = [
        name
        for name, one, gained in (("backward", w[::-1], r[::-1]), ("forward", w, r), ("reversed", w, r[::-1]))
        if _adds_up(one, gained)
    ]
    if found == ["forward", "reversed"]:  # of equal rewards
        return "forward"
    return found[0] if len(found) == 1 else ""


def _adds_up(w: np.ndarray, r: np.ndarray) -> bool:
    """Return whether each number is the one before times a discount, plus a reward, scaled and shifted."""
    before, after, gained = w[:-1], w[1:], r[1:]
    usual = gained == np.median(gained)
    if usual.sum() >= len(gained) - 1:  # as one for each step: then what grows tells the direction
        constant = float(np.median(gained)) or -float(r[0])
        if (w[-1] - w[0]) * constant <= 0:
            return False
        table = np.column_stack([before, np.ones(len(before))])[usual]
        after = after[usual]
    else:
        table = np.column_stack([before, np.ones(len(before)), gained])
    solution, _, rank, _ = np.linalg.lstsq(table, after, rcond=1e-10)
    exact = rank == table.shape[1] and float(np.abs(table @ solution - after).max()) <= _EXACT * w.std()
    return exact and _DISCOUNTS[0] <= solution[0] <= _DISCOUNTS[1]
