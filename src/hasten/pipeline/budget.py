"""How much time tuning may take."""

import math

from hasten.base.errors import BadInput
from hasten.base.units import parse_duration
from hasten.tuning.budget import default_budget_s, least_budget_s


def tuning_budget_s(text: str | None, planned: float, step_s: float = 0.0) -> float:
    """Return the seconds that a budget allows.

    Args:
        text: a duration ("90s", "2m") or a share of the planned training ("5%"); None for 5 %, but at least 30 s
            (700 steps, if they take longer, up to 2 minutes) and at most 10 minutes.
        planned: seconds of the planned training.
        step_s: seconds of a step.

    Raises:
        BadInput: if the text is neither.
    """
    if text is None:
        return default_budget_s(planned, least_s=least_budget_s(step_s))
    if not text.strip().endswith("%"):
        if (budget_s := parse_duration(text)) <= 0:
            raise BadInput(f"a budget must be above 0 s; found {text!r}. Try 2m.")
        return budget_s
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError as error:
        raise BadInput(f"a budget must look like 5%, 90s or 2m; found {text!r}.") from error
    if not (share > 0 and math.isfinite(share * planned)):
        raise BadInput(f"a budget must be a positive share of a training with a length; found {text!r}. Try 2m.")
    return share * planned
