"""D14: consecutive updates undo each other.

Signal: cosine between the gradients of consecutive steps, on average over the second half of the samples; overshoot.
Threshold: below -0.3, while the loss is no longer falling in the second half.
Why: the step is longer than the valley is wide.
Example: gradient descent with a learning rate of 1.9 over the largest curvature.
Wrong when: training at the edge of stability still makes progress: then the loss falls, and the rule is silent.
Source: Cockpit (alpha above 0); Cohen et al. 2021.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import STEPS, abstain, course, known, mean, single
from hasten.diagnosis.rule import Outcome

_AGAINST = -0.3


def find(health: Health) -> Outcome:
    """Fire where gradients point against each other and the loss has stopped falling."""
    dynamics = health.dynamics
    missing = abstain("direction_zigzag", health, samples=24, steps=STEPS)
    if missing is not None or dynamics is None:
        return missing
    cosines, losses = known(dynamics.gradient_cosines), course(dynamics.losses)
    half = course(dynamics.losses[len(dynamics.losses) // 2 :], blocks=10)
    if len(cosines) < 16 or half is None or losses is None or not single(dynamics):
        return Abstained(symptom="direction_zigzag", reason="gradients of consecutive steps were not seen")
    value = mean(cosines[len(cosines) // 2 :])
    start = max(losses.first, dynamics.losses[0] or losses.first)
    if not value < _AGAINST or half.falls or losses.last < 0.1 * start:
        return None
    return Finding(
        symptom="direction_zigzag",
        severity=Severity.WARNING,
        sentence=f"Consecutive gradients point against each other: cosine {digits3(value)}; the loss stands still.",
        value=value,
        threshold=_AGAINST,
        bound=None,
        advice="divide the learning rate by 3, or let it decay",
        check=health.command,
        explains=("loss_oscillates", "plateau", "edge_of_stability"),
    )
