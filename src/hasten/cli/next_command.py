"""The command to type next where a tuning has kept nothing."""

import math
import shlex

from hasten.base.records.trial import Tuning
from hasten.report.trials import need_permission, out_of_budget


def tuned_again(verb: str, task: str, only: str) -> str:
    """Return the command that tunes once more, the same techniques where they were named."""
    return f"hasten {verb} {task}{f' --only {shlex.quote(only)}' if only else ''}"


def without_plan(verb: str, task: str, tuning: Tuning, *, only: str) -> str:
    """Return the command that follows a tuning without a plan: search longer, allow more, or see where the time goes.

    Args:
        verb: the command that tuned, `run` or `tune`.
        task: as it is typed.
        tuning: what was tried.
        only: techniques that were named, as they were typed; empty for all.
    """
    again = tuned_again(verb, task, only)
    if out_of_budget(tuning.trials):
        return f"{again} --budget {math.ceil(4 * tuning.budget_s / 60)}m"
    needed = need_permission(tuning.trials)
    if needed:
        return f"{again} --allow {next(iter(needed))}"
    return f"hasten profile {task}"
