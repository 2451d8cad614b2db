"""E18: the loss counts the padding.

Signal: labels at the places where rows of tokens are padded, by the tokens or by a mask in the
    batch or among what the model is given, and the label that the loss ignores.
Threshold: 15 % of the labels that count are those of padding, all of them the same, in a loss without weights or masks.
Why: the model earns most of its loss by saying that padding follows padding; losses and accuracies look better than
    they are, and short rows weigh as much as long ones.
Example: `CrossEntropyLoss()` of labels that are padded with 0, where `ignore_index=0` or labels of -100 are meant.
Wrong when: where a row ends is to be learned from its padding.
Source: documentation of ignore_index in torch.nn.CrossEntropyLoss; labels of -100 in Hugging Face's collators.
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import call, each_criterion, wrong
from hasten.diagnosis.rule import Outcome

SHARE = 0.15


def find(health: Health) -> Outcome:
    """Fire where labels of padding count."""
    return each_criterion(health, "padding_in_loss", _judged)


def _judged(one: Criterion, command: str) -> Finding | None:
    if one.padding < SHARE:
        return None
    return wrong(
        "padding_in_loss",
        f"{one.padding:.0%} of the labels in {call(one)} are those of padding.",
        value=one.padding,
        threshold=SHARE,
        advice="labels of -100 at padding, or ignore_index= with the label of padding",
        check=command,
        where=call(one),
        severity=Severity.WARNING,
        explains=("class_imbalance", "overfit", "labels_unfit"),
    )
