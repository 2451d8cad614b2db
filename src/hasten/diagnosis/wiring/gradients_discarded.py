"""W32: gradients are cleared before any update used them.

Signal: calls of `zero_grad` after a backward pass and before the update, while the parameters stay as they are; and
    whether the update then uses the gradients of the last backward pass as they are.
Threshold: none: half of 8 backward passes and more, with one optimizer.
Why: their batches are computed for nothing; an accumulation of 8 batches is one of 1.
Example: `optimizer.zero_grad()` in every iteration of a loop that makes an update in every eighth.
Wrong when: the gradients are read for another purpose, such as a statistic.
Source: torch's documentation of `zero_grad`; the Hugging Face note on gradient accumulation (2024).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_PASSES, _SHARE = 8, 0.5


def find(health: Health) -> Outcome:
    """Fire where most backward passes end in nothing."""
    wiring = health.wiring
    optimizers = (wiring.optimizers if wiring is not None else None) or ()
    if len(optimizers) != 1 or optimizers[0].passes < _PASSES:
        return Abstained(symptom="gradients_discarded", reason="no single optimizer, or few backward passes, were seen")
    one = optimizers[0]
    if one.emptied or one.discarded < _SHARE * one.passes:
        return None
    return Finding(
        symptom="gradients_discarded",
        severity=Severity.CRITICAL,
        sentence=f"{one.discarded} of {one.passes} backward passes were cleared by zero_grad before an update.",
        value=one.discarded / one.passes,
        threshold=_SHARE,
        bound=None,
        where=one.name,
        advice="optimizer.zero_grad()  # only after optimizer.step()",
        check=health.command,
        explains=("accumulation_not_divided", "slow_convergence", "update_too_small", "noise_dominated"),
    )
