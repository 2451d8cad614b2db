"""Whether what a technique costs once is earned back within the training that is planned."""

import math

from hasten.base.records.comparison import Comparison
from hasten.base.units import seconds
from hasten.training.recipe import Recipe
from hasten.training.session import total_steps

EXPECTED_SETUP_S = {"compile": 20.0, "compile_regions": 20.0, "math_attention": 20.0}
"""Technique -> seconds that its first steps may well take: 38 s were measured for a CNN of three layers on two cores,
whose last batch of an epoch is compiled anew. These are tried last, in their order: attention by products pays beside
a compilation, which it makes anew."""
BEST_SAVING = 0.5
"""Share of the training that such a technique is taken to save at best, before it is measured."""


def planned_s(recipe: Recipe, step_s: float) -> float:
    """Return the seconds that the whole training takes at so many seconds a step; infinite where nothing limits it."""
    steps, limit_s = total_steps(recipe), recipe.task.stop.seconds
    return min(math.inf if steps is None else steps * step_s, math.inf if limit_s is None else limit_s)


def cannot_pay(name: str, recipe: Recipe, step_s: float) -> str | None:
    """Return why the technique's setup cannot be earned back, before it is paid; None where it may be."""
    expected_s, whole_s = EXPECTED_SETUP_S.get(name, 0.0), planned_s(recipe, step_s)
    if expected_s > BEST_SAVING * whole_s:
        return (
            f"it costs about {seconds(expected_s)} or more once, and the whole training takes only {seconds(whole_s)}"
        )
    return None


def not_earned_back(found: Comparison, setup_s: float, recipe: Recipe) -> str | None:
    """Return why a faster training does not earn its setup back, with the numbers; None where it does."""
    whole_s = planned_s(recipe, found.step_time_a_s)
    if math.isinf(whole_s):
        return None
    sample_a_s = found.step_time_a_s / found.samples_per_step_a
    sample_b_s = found.step_time_b_s / found.samples_per_step_b
    saved_s = whole_s * (1 - sample_b_s / sample_a_s)
    if setup_s <= saved_s:
        return None
    return (
        f"{found.ratio.value:.2f}x as fast, but it costs {seconds(setup_s)} once and saves only {seconds(saved_s)} "
        f"over the whole training"
    )
