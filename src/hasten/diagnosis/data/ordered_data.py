"""E11: the training data come in the order of their labels.

Signal: the share of the most frequent label of a batch, against the same labels in random order; whether real targets
    only rise, or only fall, over the batches of the first pass.
Threshold: 0.7 on average, 0.25 above random order, with at least two classes; in all of 8 batches and more.
Why: each batch pulls the model to the class that it shows, and what it learned of the others is lost.
Example: a folder of classes or a sorted table read with `DataLoader(data, batch_size=64)`, without `shuffle=True`.
Wrong when: each batch is meant to have one class, as in some kinds of metric learning.
Source: Bengio 2012, arXiv 1206.5533, on stochastic gradients; French 1999 on catastrophic forgetting.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.order import FEWEST_BATCHES
from hasten.diagnosis.data.said import CONSEQUENCES, facts_of, wrong
from hasten.diagnosis.rule import Outcome

TOP, ABOVE = 0.7, 0.25


def find(health: Health) -> Outcome:
    """Fire where batches hold hardly more than one class, and the data have more."""
    facts = facts_of(health)
    if facts.rising == 1:
        return _found(
            "The targets only rise, or only fall, from the first batch to the last: the data are sorted by them.",
            value=1,
            threshold=1,
            check=health.command,
        )
    order = facts.order
    if order is None or order.batches < FEWEST_BATCHES or order.classes < 2:
        return Abstained(symptom="ordered_data", reason="fewer than 8 batches with labels of several classes were seen")
    if order.top_in_batch < TOP or order.top_in_batch < order.expected + ABOVE:
        return None
    return _found(
        f"A batch is {order.top_in_batch:.0%} of one class; in random order it would be {order.expected:.0%}.",
        value=order.top_in_batch,
        threshold=max(TOP, order.expected + ABOVE),
        check=health.command,
    )


def _found(sentence: str, *, value: float, threshold: float, check: str) -> Finding:
    return wrong(
        "ordered_data",
        sentence,
        value=value,
        threshold=threshold,
        advice="DataLoader(data, batch_size=..., shuffle=True), or a random permutation of the samples in each epoch",
        check=check,
        explains=(
            "class_imbalance",
            "overfit",
            "loss_spikes",
            "nonfinite",
            "update_too_large",
            "order_repeats",
            "direction_consistent",
            "exploding_gradient",
            "weight_growth",
            "noise_dominated",
            *CONSEQUENCES,
        ),
    )
