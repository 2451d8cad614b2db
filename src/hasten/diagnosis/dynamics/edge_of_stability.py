"""D16: the updates are at the limit of stability, and the loss no longer falls.

Signal: how much of its slope the loss loses along an update, from the gradients before and after it: 2 means that the
    update crosses the valley to the same height.
Threshold: above 1.8 at the median of the second half of the samples, while the loss does not fall there.
Why: at 2 an update gains nothing; a little more and training diverges.
Example: gradient descent with a learning rate of 2 over the largest curvature.
Wrong when: the loss still falls over many steps, as it does at the edge of stability; then the rule is silent.
Source: Cohen et al. 2021, arXiv 2103.00065; Cockpit (alpha).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import STEPS, abstain, course, known, median, single
from hasten.diagnosis.rule import Outcome

_LIMIT = 1.8


def find(health: Health) -> Outcome:
    """Fire where updates cross the valley and the loss stands still."""
    dynamics = health.dynamics
    missing = abstain("edge_of_stability", health, samples=24, steps=STEPS)
    if missing is not None or dynamics is None:
        return missing
    overshoots, losses = known(dynamics.overshoots), course(dynamics.losses)
    half = course(dynamics.losses[len(dynamics.losses) // 2 :], blocks=10)
    if len(overshoots) < 16 or half is None or losses is None or not single(dynamics) or dynamics.momentum:
        return Abstained(symptom="edge_of_stability", reason="needs gradients of consecutive steps without momentum")
    value = median(overshoots[len(overshoots) // 2 :])
    start = max(losses.first, dynamics.losses[0] or losses.first)
    if not value > _LIMIT or half.falls or losses.last < 0.1 * start:
        return None
    return Finding(
        symptom="edge_of_stability",
        severity=Severity.WARNING,
        sentence=f"Updates cross the valley: curvature along them is {digits3(value)} times the slope, the limit is 2.",
        value=value,
        threshold=_LIMIT,
        bound=None,
        advice="divide the learning rate by 3, or let it decay",
        check=health.command,
        explains=("direction_zigzag", "loss_oscillates", "plateau"),
    )
