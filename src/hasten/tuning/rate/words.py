"""What was found about a learning rate or a batch size, in words."""

from hasten.base.records.batch_choice import BatchChoice, BatchVerdict
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


def batch_sentence(found: BatchChoice) -> str:
    """Return the result: the size to use with its rate, or that the own one stays."""
    if found.verdict is BatchVerdict.BETTER:
        assert found.speedup is not None, "a better size was compared"
        rate = "" if found.rate_factor == 1 else f" with lr x{digits3(found.rate_factor)}"
        return f"batch size {found.size}{rate}: {_sooner(found.speedup)} as with {found.own_size}."
    if found.proven_size is None or found.speedup is None:
        return f"keep batch size {found.own_size}: no other size reached its held-out loss."
    compared = "is later" if found.speedup.high < 1 else "is not sooner beyond the noise"
    return f"keep batch size {found.own_size}: {found.proven_size} {compared} ({_sooner(found.speedup)})."


def _sooner(speedup: Interval) -> str:
    """Return a ratio of times: "1.52x [1.20, 1.90] (3 pairs) as soon at equal held-out loss"."""
    bounds = f"[{speedup.low:.2f}, {speedup.high:.2f}]"
    return f"{speedup.value:.2f}x {bounds} ({speedup.n} pairs) as soon at equal held-out loss"
