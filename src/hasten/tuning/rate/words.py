"""What was found about a learning rate, in words."""

from hasten.base.records.rate_choice import RateChoice, RateVerdict
from hasten.base.records.record import Interval
from hasten.base.units import digits3


def rate_sentence(found: RateChoice) -> str:
    """Return the result: the rate to use, and what it is worth against the task's own."""
    own = digits3(found.own_rates[0])
    if found.verdict is RateVerdict.NONE_STABLE:
        return f"no learning rate lowered the held-out loss in {found.branch_steps} steps. Try hasten diagnose."
    assert found.rate is not None, "a rate was found"
    rate = digits3(found.rate.value)
    if found.verdict is RateVerdict.OWN_DIVERGES:
        return f"lr {rate}: the task's own {own} diverges within {found.branch_steps} steps."
    if found.verdict is RateVerdict.BETTER:
        assert found.worth is not None, "a better rate was compared"
        return f"lr {rate}: held-out loss {change(found.worth)} against the task's own {own}."
    compared = "" if found.worth is None else f" ({change(found.worth)})"
    if found.worth is not None and found.worth.low > 0:
        return f"keep lr {own}: {rate} is worse{compared}."
    return f"keep lr {own}: no difference from {rate} beyond the noise{compared}."


def change(share: Interval) -> str:
    """Return a relative change with its interval: "-12 % [-15, -9], 3 pairs"."""
    return f"{100 * share.value:+.1f} % [{100 * share.low:+.1f}, {100 * share.high:+.1f}], {share.n} pairs"
