"""E25: a sampler that shuffles gives the samples in the same order in every pass.

Signal: the first batch of the first and of the second pass over the data, of a sampler that shuffles.
Threshold: the same samples in the same order, four at least.
Why: each batch holds the same samples again and again, so that their gradients are less independent than they could
be; batch norm sees the same companions of a sample.
Example: `DistributedSampler` without `sampler.set_epoch(epoch)`; `torch.manual_seed(0)` at the begin of each epoch.
Wrong when: the order is to be the same on purpose.
Source: torch's documentation of `DistributedSampler`, warning; pytorch issue 31771.
"""

from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where the second pass begins as the first one did."""
    training = facts_of(health).training
    if training is None or not training.shuffles:
        return Abstained(symptom="order_repeats", reason="no sampler that shuffles was seen")
    if not training.same_order or training.whole is None or training.whole < 2 * training.batch_size:
        return None
    return wrong(
        "order_repeats",
        "The sampler shuffles, but the second pass begins with the batch that the first one began with.",
        value=1,
        threshold=0,
        advice="sampler.set_epoch(epoch) before each pass; seed once, before the first one",
        check=health.command,
        severity=Severity.WARNING,
        explains=("loss_oscillates",),
    )
