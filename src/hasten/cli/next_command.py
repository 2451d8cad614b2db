"""The command to type next where a tuning has kept nothing."""

import math

from hasten.base.records.trial import Tuning
from hasten.report.trials import need_permission, out_of_budget


def without_plan(verb: str, task: str, tuning: Tuning) -> str:
    """Return the command that follows a tuning without a plan: search longer, allow more, or see where the time goes.

    Args:
        verb: the command that tuned, `run` or `tune`.
        task: as it is typed.
        tuning: what was tried.
    """
    if out_of_budget(tuning.trials):
        return f"hasten {verb} {task} --budget {math.ceil(4 * tuning.budget_s / 60)}m"
    needed = need_permission(tuning.trials)
    if needed:
        return f"hasten {verb} {task} --allow {next(iter(needed))}"
    return f"hasten profile {task}"
