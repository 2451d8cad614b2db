"""Which settings to time next: those whose blocks make the gains in question most certain for their time."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hasten.tuning.search.factors import NONE, Factors, Setting
from hasten.tuning.search.model import Fit, Model

GROUP = 4
"""Blocks that run one after another and are compared with each other: few, so that foreign load hits them alike."""
RANDOM_SETTINGS = 3
"""Settings in which each factor in question is on or off at random that are considered anew each time."""
_PASSES = 2

Question = tuple[NDArray[np.float64], float]
"""A difference of two settings and how much its certainty is worth."""


def candidates(
    factors: Factors, plan: Setting, asked: Sequence[int], built: Sequence[Setting], random: np.random.Generator
) -> list[Setting]:
    """Return the settings that may be timed next: what is built, the plan with one change, and random ones around it.

    Args:
        factors: all of them.
        plan: the best setting as far as is known.
        asked: the factors in question.
        built: settings that cost nothing to set up.
        random: draws the random ones.
    """
    found = dict.fromkeys([NONE, plan, *built])
    for one in asked:
        found[factors.toggled(plan, one)] = None
    cheap = [one for one in asked if not factors[one].setup_s]
    for _ in range(RANDOM_SETTINGS if len(cheap) > 1 else 0):
        setting = plan - frozenset(cheap)
        for one in random.permutation(cheap):
            setting = factors.on(setting, int(one)) if random.random() < 0.5 else setting
        found[setting] = None
    return list(found)


def next_group(
    fit: Fit,
    model: Model,
    questions: Sequence[Question],
    settings: Sequence[Setting],
    cost_s: Callable[[Setting], float],
    random: np.random.Generator,
) -> list[Setting]:
    """Return up to 4 settings, in random order, for the largest reduction of variance for each second.

    A random group is improved by exchanging one setting after another (Fedorov, 1972): near enough to the best, and
    different each time.

    Args:
        fit: what is known.
        model: the columns.
        questions: what is asked, with weights.
        settings: what may be timed.
        cost_s: seconds of a block of a setting.
        random: draws the first group and the order.
    """
    rows, costs = model.rows(settings), np.array([cost_s(one) for one in settings])
    asked = np.array([contrast * np.sqrt(weight) for contrast, weight in questions])
    known, told = rows @ fit.cov @ rows.T, asked @ fit.cov @ rows.T  # (settings, settings), (questions, settings)
    size = min(GROUP, len(settings))

    def worth(groups: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what is gained for each second by each of these groups, (groups, size)."""
        seen = told[:, groups].transpose(1, 0, 2)  # (groups, questions, size)
        seen = seen - seen.mean(2, keepdims=True)
        inner = known[groups[:, :, None], groups[:, None, :]]
        inner = inner - inner.mean(1, keepdims=True)
        inner = inner - inner.mean(2, keepdims=True) + fit.noise**2 * np.eye(size)
        solved = np.linalg.solve(inner, seen.transpose(0, 2, 1))
        return np.einsum("gqs,gsq->g", seen, solved) / costs[groups].sum(1)

    group = random.choice(len(settings), size, replace=False)
    for place in [*range(size)] * _PASSES:
        others = np.repeat(group[None], len(settings), axis=0)
        others[:, place] = np.arange(len(settings))
        group = others[int(np.argmax(worth(others)))]
    return [settings[int(one)] for one in random.permutation(group)]
