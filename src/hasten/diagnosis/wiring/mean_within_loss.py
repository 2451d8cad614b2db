"""W57: a loss weights its samples by the mean over the batch.

Signal: the graph of the first losses: an exponential of a cross-entropy that is averaged already.
Threshold: none.
Why: a weight that shall depend on each sample, as that of the focal loss, is one number for all: it only scales the
    gradient.
Example: `ce = F.cross_entropy(outputs, labels); loss = (1 - torch.exp(-ce)) ** 2 * ce`, without `reduction="none"`.
Wrong when: the perplexity is to be made small, which has the same minimum.
Source: Lin et al. 2017, arXiv:1708.02002 (focal loss: each sample has a factor of its own).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where probabilities are made of the mean of their logarithms."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="mean_within_loss", reason="no graph of a loss was seen")
    if not seen.early:
        return None
    return Finding(
        symptom="mean_within_loss",
        severity=Severity.CRITICAL,
        sentence="The loss takes exp() of the mean over the batch: all samples get one weight.",
        value=1,
        threshold=0,
        bound=None,
        where=seen.early,
        advice='F.cross_entropy(outputs, labels, reduction="none"), and .mean() after the weights',
        check=health.command,
        explains=("class_imbalance", "not_learning", "plateau", "slow_convergence", "update_too_small"),
    )
