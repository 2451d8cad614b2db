"""E11: the training data come in the order of their labels.

Signal: the share of the most frequent label of a batch, against the same labels in random order.
Threshold: 0.7 on average, 0.25 above random order, with at least two classes.
Why: each batch pulls the model to the class that it shows, and what it learned of the others is lost.
Example: a folder of classes or a sorted table read with `DataLoader(data, batch_size=64)`, without `shuffle=True`.
Wrong when: each batch is meant to have one class, as in some kinds of metric learning.
Source: Bengio 2012, arXiv 1206.5533, on stochastic gradients; French 1999 on catastrophic forgetting.
"""

from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, facts_of, wrong
from hasten.diagnosis.rule import Outcome

TOP, ABOVE = 0.7, 0.25
_BATCHES = 8


def find(health: Health) -> Outcome:
    """Fire where batches hold hardly more than one class, and the data have more."""
    order = facts_of(health).order
    if order is None or order.batches < _BATCHES or order.classes < 2:
        return Abstained(symptom="ordered_data", reason="fewer than 8 batches with labels of several classes were seen")
    if order.top_in_batch < TOP or order.top_in_batch < order.expected + ABOVE:
        return None
    return wrong(
        "ordered_data",
        f"A batch is {order.top_in_batch:.0%} of one class; in random order it would be {order.expected:.0%}.",
        value=order.top_in_batch,
        threshold=max(TOP, order.expected + ABOVE),
        advice="DataLoader(data, batch_size=..., shuffle=True), or a random permutation of the samples in each epoch",
        check=health.command,
        explains=(
            "class_imbalance",
            "overfit",
            "loss_spikes",
            "direction_consistent",
            "exploding_gradient",
            "weight_growth",
            "noise_dominated",
            *CONSEQUENCES,
        ),
    )
