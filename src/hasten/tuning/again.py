"""An existing plan, measured again against the baseline."""

from collections.abc import Sequence

from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning.begin import why_not_begun
from hasten.tuning.budget import OutOfTime
from hasten.tuning.confirm import confirmed
from hasten.tuning.context import open_laboratory
from hasten.tuning.state import forget_compiled, many_compilations, untouched


def measured_again(
    recipe: Recipe, machine: Machine, plan: Sequence[Technique], *, budget_s: float
) -> tuple[Interval | None, str]:
    """Return how many times faster a plan goes through the training data than the baseline, or None and why not.

    Both are built newly and timed in up to 40 pairs. The process is left as it was found.
    """
    lab = open_laboratory(recipe, machine, budget_s)
    try:
        with untouched(), many_compilations():
            why = why_not_begun(lab)
            if why is not None:
                return None, why
            return confirmed(lab, tuple(plan), share=1.0), ""
    except OutOfTime:
        return None, "The budget ended before the plan could be measured."
    finally:
        forget_compiled()
