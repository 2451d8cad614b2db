"""What a search by branches may spend: from the time of a step and what a person asks for."""

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import median

from hasten.base.errors import BadInput
from hasten.base.units import seconds
from hasten.tuning.budget import default_budget_s, least_budget_s, now_s
from hasten.tuning.rate.start import Start, train_from

_WARM_STEPS, _TIMED_STEPS = 2, 9


def step_seconds(start: Start) -> float:
    """Return the seconds of a step, the median of some with all rates 0: the optimizer has its state after the first.

    The median, since other work on the machine, and the first step of a kind, slow single steps down by far.
    """
    ended = [now_s() for _ in train_from(start, lambda number: (0.0, 0.0), _WARM_STEPS + _TIMED_STEPS)]
    return median(after - before for before, after in pairwise(ended[_WARM_STEPS - 1 :]))


def budget_seconds(
    budget: Callable[[float], float | None],
    whole_s: float,
    *,
    least_s: float,
    usual_s: float,
    fewest_steps: int,
    what: str,
) -> float:
    """Return the seconds to spend.

    Args:
        budget: seconds of the planned training -> seconds that are asked for, or None.
        whole_s: seconds of the planned training.
        least_s: what the shortest search takes.
        usual_s: spent where nothing is asked for and the default is less.
        fewest_steps: of its branches.
        what: is chosen, as in "a learning rate".

    Raises:
        BadInput: if less than the shortest search is asked for.
    """
    asked_s = budget(whole_s)
    if asked_s is None:
        return max(usual_s, default_budget_s(whole_s, least_s=least_budget_s(0.0)))
    if asked_s < least_s:
        raise BadInput(
            f"a budget of {seconds(asked_s)} is too small to choose {what}: branches of {fewest_steps} steps "
            f"take about {seconds(least_s)}. Pass --budget {math.ceil(least_s)}s or more."
        )
    return asked_s
