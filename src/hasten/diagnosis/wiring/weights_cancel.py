"""W50: weights of samples, or returns of actions, are multiplied with a mean over the samples.

Signal: in the graph of the first losses, products of one number that is a mean or sum over the samples, and as many
weights without a gradient, that are added up.
Threshold: none; the weights differ, and there are 4 and more.
Why: only the sum of the weights counts: no sample, and no action, is weighed by its own.
Example: `(log_probs.mean() * returns).sum()`; `(F.cross_entropy(output, labels) * weights).mean()` without
`reduction="none"`.
Wrong when: a number is meant to be multiplied with the mean of as many others as there are samples.
Source: Williams 1992, REINFORCE: each log-probability has its own return; torch.nn.CrossEntropyLoss, `reduction`.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where weights meet the mean of what each of them should meet alone."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="weights_cancel", reason="no graph of a loss was seen")
    if not seen.cancelled:
        return None
    return Finding(
        symptom="weights_cancel",
        severity=Severity.CRITICAL,
        sentence=f"A mean over {seen.cancelled} samples is multiplied with their {seen.cancelled} weights: "
        "only the sum of the weights counts, no sample has its own.",
        value=seen.cancelled,
        threshold=0,
        bound=None,
        advice='(losses * weights).mean() with reduction="none"; -(log_probs * returns).sum()',
        check=health.command,
        explains=(
            "not_learning",
            "plateau",
            "slow_convergence",
            "gradient_zero",
            "noise_dominated",
            "loss_oscillates",
            "update_too_small",
            "direction_zigzag",
        ),
    )
