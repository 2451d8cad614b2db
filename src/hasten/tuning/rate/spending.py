"""What a search by branches may spend: from the time of a step and what a person asks for."""

import math
from collections.abc import Callable

from hasten.base.errors import BadInput
from hasten.base.units import seconds
from hasten.tuning.budget import default_budget_s, now_s
from hasten.tuning.rate.start import Start, train_from

_WARM_STEPS, _TIMED_STEPS = 2, 5


def step_seconds(start: Start) -> float:
    """Return the seconds of a step, timed with all rates 0: weights stay, and the optimizer has its state."""
    for _ in train_from(start, lambda number: (0.0, 0.0), _WARM_STEPS):
        pass
    begin = now_s()
    for _ in train_from(start, lambda number: (0.0, 0.0), _TIMED_STEPS):
        pass
    return (now_s() - begin) / _TIMED_STEPS


def budget_seconds(
    budget: Callable[[float], float | None], whole_s: float, *, least_s: float, fewest_steps: int, what: str
) -> float:
    """Return the seconds to spend.

    Args:
        budget: seconds of the planned training -> seconds that are asked for, or None.
        whole_s: seconds of the planned training.
        least_s: what the shortest search takes; also spent where nothing is asked for and the default is less.
        fewest_steps: of its branches.
        what: is chosen, as in "a learning rate".

    Raises:
        BadInput: if less than the shortest search is asked for.
    """
    asked_s = budget(whole_s)
    if asked_s is None:
        return max(least_s, default_budget_s(whole_s))
    if asked_s < least_s:
        raise BadInput(
            f"a budget of {seconds(asked_s)} is too small to choose {what}: branches of {fewest_steps} steps "
            f"take about {seconds(least_s)}. Pass --budget {math.ceil(least_s)}s or more."
        )
    return asked_s
