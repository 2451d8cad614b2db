"""Whether what a technique costs once is earned back within the training that is planned."""

import math

from hasten.base.records.card import Card
from hasten.base.units import seconds
from hasten.training.recipe import Recipe

BEST_SAVING = 0.5
"""Share of the training that such a technique is taken to save at best, before it is measured."""


def planned_s(recipe: Recipe, step_s: float) -> float:
    """Return the seconds that the whole training takes at so many seconds a step; infinite where nothing limits it."""
    steps, limit_s = recipe.subject.planned_steps, recipe.task.stop.seconds
    return min(math.inf if steps is None else steps * step_s, math.inf if limit_s is None else limit_s)


def cannot_pay(card: Card, recipe: Recipe, step_s: float) -> str | None:
    """Return why the technique's setup cannot be earned back, before it is paid; None where it may be."""
    whole_s = planned_s(recipe, step_s)
    if card.setup_s > BEST_SAVING * whole_s:
        return (
            f"it costs about {seconds(card.setup_s)} or more once, and the whole training takes only {seconds(whole_s)}"
        )
    return None


def not_earned_back(gain: float, setup_s: float, recipe: Recipe, step_s: float) -> str | None:
    """Return why a training that is `gain` times as fast does not earn its setup back; None where it does."""
    whole_s = planned_s(recipe, step_s)
    if math.isinf(whole_s):
        return None
    saved_s = whole_s * (1 - 1 / gain)
    if setup_s <= max(saved_s, 0.0):
        return None
    return (
        f"{gain:.2f}x as fast, but it costs {seconds(setup_s)} once and saves only {seconds(max(saved_s, 0.0))} over "
        f"the whole training"
    )
