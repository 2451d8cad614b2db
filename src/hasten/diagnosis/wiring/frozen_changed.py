"""W7: an update changes a frozen parameter.

Signal: parameters with `requires_grad=False` that an optimizer holds, before and after the first 20 updates.
Threshold: none: one is enough, but for those whose gradients change, which only the program itself can give them.
Why: momentum and weight decay go on to move a parameter that has an old gradient, also one of zeros.
Example: `p.requires_grad_(False)` after some updates, with `optimizer.zero_grad(set_to_none=False)` and weight decay.
Wrong when: the optimizer is meant to change it by the same gradient again and again.
Source: torch's documentation of `zero_grad(set_to_none)`; TrainCheck (Jiang et al. 2025, arXiv 2506.14813).
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import lacks_updates, leaves, names


def find(health: Health) -> Outcome:
    """Fire where a frozen parameter moves."""
    lacks = lacks_updates(health, "frozen_changed")
    if lacks is not None or health.wiring is None:
        return lacks
    moving = [one for one in leaves(health.wiring) if one.frozen_moves]
    if not moving:
        return None
    return Finding(
        symptom="frozen_changed",
        severity=Severity.WARNING,
        sentence=f"{count(len(moving))} frozen parameter tensors change in step(), by momentum or weight decay.",
        value=len(moving),
        threshold=0,
        bound=None,
        where=names(moving),
        advice="p.grad = None  # for frozen parameters, or leave them out of the optimizer",
        check=health.command,
        explains=("vanishing_gradient", "weight_growth", "layer_imbalance", "update_too_large"),
    )
