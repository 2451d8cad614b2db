"""D19: the loss is a sum over the batch, so that the gradient grows with the batch size, and training fails.

Signal: reduction of the loss function; update-to-weight ratio; losses.
Threshold: a sum, updates above 0.03 of the weights, and a loss that is no longer finite, rises, or stays at chance.
Why: with a sum the gradient is as many times larger as the batch has samples, and the learning rate does not fit.
Example: `nn.CrossEntropyLoss(reduction="sum")` with the learning rate of the mean.
Wrong when: the learning rate was chosen for the sum, and something else fails.
Source: definition of the reduction; Goyal et al. 2017, remark 3.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.dynamics.judging import abstain, across, harmed, ratios, weights
from hasten.diagnosis.dynamics.update_too_large import EXPLAINS
from hasten.diagnosis.rule import Outcome

_LARGE = 0.03


def find(health: Health) -> Outcome:
    """Fire where a summed loss makes the updates too large."""
    dynamics = health.dynamics
    missing = abstain("gradient_scale", health, samples=2)
    if missing is not None or dynamics is None:
        return missing
    if dynamics.criterion is None:
        return Abstained(symptom="gradient_scale", reason="no loss function of torch was seen")
    value = max(across([ratios(one) for one in weights(dynamics)])[:8], default=0.0)
    harm, _ = harmed(health)
    if dynamics.criterion.reduction != "sum" or not harm or value < _LARGE:
        return None
    return Finding(
        symptom="gradient_scale",
        severity=Severity.CRITICAL,
        sentence=f"The loss is summed over the batch of {dynamics.batch_rows or 'all samples'}, not averaged; {harm}.",
        value=value,
        threshold=_LARGE,
        bound=None,
        advice='reduction="mean", or divide the loss by the number of samples',
        check=health.command,
        explains=("update_too_large", *EXPLAINS),
    )
