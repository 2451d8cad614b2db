"""D29: parameters get a gradient of exactly 0 in every step.

Signal: gradients of all sampled steps, of tensors that the loss reaches and an optimizer holds.
Threshold: every entry is 0 in at least 16 samples, or in 8 where it is so of all that an optimizer holds. A tensor
    beside which others of the same name, with another number in it, do get gradients is left out: an expert may idle.
Why: a factor of 0 between the parameter and the loss, or two factors that both start at 0, pass no gradient on.
Example: `x + 0.0 * self.positions(places)`; low-rank adapters whose two matrices both start at 0; an output that went
    through `round()` or `sign()`.
Wrong when: the input that the parameter waits for comes later in training.
Source: definition of the chain rule; Hu et al. 2021, arXiv 2106.09685 (one of the two matrices starts at random).
"""

import re

from hasten.base.records.dynamics import ParameterTrack
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.dynamics.judging import abstain, known
from hasten.diagnosis.rule import Outcome

_SAMPLES = 16
_FEW = 8  # of all that an optimizer holds, as of adapters after another training: later steps are sampled seldom


def find(health: Health) -> Outcome:
    """Fire where a matrix, or all of a few tensors, never gets a gradient that is not 0."""
    dynamics = health.dynamics
    missing = abstain("gradient_zero", health, samples=_FEW)
    if missing is not None or dynamics is None:
        return missing
    reached = {one.optimizer for one in dynamics.parameters if any(known(one.gradient))}
    judged = [
        one
        for one in dynamics.parameters
        if one.name and len(known(one.gradient)) >= (_SAMPLES if one.optimizer in reached else _FEW)
    ]
    if not judged:
        return Abstained(symptom="gradient_zero", reason="too few gradients were sampled")
    moved = {_numberless(one.name) for one in judged if any(known(one.gradient))}
    still = [one for one in judged if not any(known(one.gradient)) and _numberless(one.name) not in moved]
    worst = max(still, key=_size, default=None)
    if worst is None or len(worst.shape) < 2:
        return None
    others = f" and {len(still) - 1} more" if len(still) > 1 else ""
    return Finding(
        symptom="gradient_zero",
        severity=Severity.CRITICAL,
        sentence=f"The gradient of {worst.name}{others} is 0 in all {len(known(worst.gradient))} sampled steps.",
        value=len(still),
        threshold=0,
        bound=None,
        where=worst.name,
        advice=f"look between {worst.name} and the loss for a factor of 0, a mask, round() or argmax(); "
        "of two factors let one start at random",
        check=health.command,
        explains=("parameter_unchanged", "update_too_small", "not_learning", "plateau", "slow_convergence"),
    )


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "0", name)


def _size(one: ParameterTrack) -> tuple[int, int]:
    count = 1
    for size in one.shape:
        count *= size
    return len(one.shape), count
