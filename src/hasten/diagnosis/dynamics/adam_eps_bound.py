"""D6: Adam's epsilon is larger than the gradients.

Signal: share of entries whose root of the second moment is smaller than epsilon, median over the layers.
Threshold: more than half of them in three of the last five samples.
Why: the update is then the gradient over epsilon: Adam becomes gradient descent with a small learning rate.
Example: `Adam(model.parameters(), eps=1e-3)`, or a loss that is divided by 1e6.
Wrong when: the model is finished and its gradients are gone.
Source: Adam (Kingma and Ba 2015), section 2; Yuan and Gao 2020 on epsilon.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, percent
from hasten.diagnosis.dynamics.judging import abstain, across, median, weights
from hasten.diagnosis.rule import Outcome

_SHARE = 0.5


def find(health: Health) -> Outcome:
    """Fire where epsilon decides the size of most updates."""
    dynamics = health.dynamics
    missing = abstain("adam_eps_bound", health)
    if missing is not None or dynamics is None:
        return missing
    shares = across([one.below_eps for one in weights(dynamics)])
    if len(shares) < 3 or not dynamics.epsilon:
        return Abstained(symptom="adam_eps_bound", reason="no optimizer with a second moment and epsilon was seen")
    value = min(median(shares[-5:]), median(shares[:5]))
    if not value > _SHARE:
        return None
    return Finding(
        symptom="adam_eps_bound",
        severity=Severity.WARNING,
        sentence=f"For {percent(value)} of the weights Adam's epsilon, {digits3(dynamics.epsilon)}, "
        "is larger than the gradient.",
        value=value,
        threshold=_SHARE,
        bound=None,
        advice="eps=1e-8, Adam's default, or a loss that is not scaled down",
        check=health.command,
        explains=("update_too_small", "not_learning", "slow_convergence", "plateau", "direction_consistent"),
    )
