"""W50: weights of samples, of actions or of the components of a mixture meet one number for all of them, and cancel.

Signal: in the graph of the first losses, products of one number that is a mean or sum over the samples, and as many
weights without a gradient, that are added up; a logsumexp over the log-weights of components and one number for all.
Threshold: none; the weights of samples differ, and there are 4 and more.
Why: only the sum of the weights counts: no sample, no action and no component is weighed by its own.
Example: `(log_probs.mean() * returns).sum()`; `(F.cross_entropy(output, labels) * weights).mean()` without
`reduction="none"`; `torch.logsumexp(log_probs.sum(-1, keepdim=True) + log_softmax(logits, -1), -1)`, which is
`log_probs.sum(-1)` whatever the logits are.
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
    if seen.cancelled:
        sentence = (
            f"A mean over {seen.cancelled} samples is multiplied with their {seen.cancelled} weights: "
            "only the sum of the weights counts, no sample has its own."
        )
        advice = '(losses * weights).mean() with reduction="none"; -(log_probs * returns).sum()'
    elif seen.alike:
        sentence = (
            f"The log-weights of {seen.alike} components meet one log-probability for all, which their logsumexp "
            "gives back: the weights learn nothing."
        )
        advice = "keep a log-probability for each component: torch.logsumexp(log_probs + log_softmax(logits, -1), -1)"
    else:
        return None
    return Finding(
        symptom="weights_cancel",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=seen.cancelled or seen.alike,
        threshold=0,
        bound=None,
        advice=advice,
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
