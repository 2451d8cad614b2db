"""W5: gradients are not cleared between updates.

Signal: between two updates of an optimizer with a backward pass between them, neither `zero_grad()` nor the person's
    own code cleared the gradients, so that the new ones were added to the old.
Threshold: none, in the first 6 gaps between updates: at least half of them.
Why: each update then follows the sum of all gradients so far, as with a momentum of 1.
Example: a loop of `loss.backward(); optimizer.step()` without `optimizer.zero_grad()`.
Wrong when: the sum over updates is meant.
Source: TrainCheck (Jiang et al. 2025, arXiv 2506.14813); torch's documentation of `zero_grad`.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.watching.by_hand import ByHand


def find(health: Health) -> Outcome:
    """Fire where gradients of an update are still there at the next one."""
    wiring = health.wiring
    optimizers = (wiring.optimizers if wiring is not None else None) or ()
    looked = [(one.uncleared, one.gaps, one.name) for one in optimizers if one.gaps]
    if not looked:
        return Abstained(symptom="gradients_not_cleared", reason="fewer than two updates were seen")
    uncleared, gaps, name = max(looked, key=lambda one: one[0] / one[1])
    if uncleared < max(1, gaps / 2):
        return None
    by_hand = name == ByHand.__name__
    return Finding(
        symptom="gradients_not_cleared",
        severity=Severity.CRITICAL,
        sentence=f"Gradients were not cleared between updates in {uncleared} of {gaps} cases: they add up.",
        value=uncleared / gaps,
        threshold=0.5,
        bound=None,
        where="" if by_hand else name,
        advice="w.grad = None  # after each update" if by_hand else "optimizer.zero_grad()  # after each update",
        check=health.command,
        explains=(
            "exploding_gradient", "update_too_large", "diverging", "loss_oscillates", "direction_consistent",
            "gradient_scale", "not_learning", "loss_spikes", "weight_growth", "clip_dominated", "nonfinite",
            "direction_zigzag", "dead_units", "saturated", "plateau",
        ),
    )  # fmt: skip
