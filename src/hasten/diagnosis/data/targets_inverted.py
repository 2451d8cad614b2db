"""E27: the targets give the label the lowest share.

Signal: soft targets of the first losses, row by row.
Threshold: in 90 % of the rows of four classes and more all numbers but the lowest one are equal.
Why: the model learns which class it is not, and gives all others the same.
Example: label smoothing with confidence and smoothing exchanged; `1 - one_hot(labels)`.
Wrong when: the model is to learn complementary labels.
Source: Szegedy et al. 2016, arXiv:1512.00567, section 7 (label smoothing).
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, each_criterion, wrong
from hasten.diagnosis.rule import Outcome

SHARE = 0.9
_ENOUGH = 64  # rows


def find(health: Health) -> Outcome:
    """Fire where one class of each row is the least likely one, and all others are alike."""
    return each_criterion(health, "targets_inverted", _judge)


def _judge(one: Criterion, command: str) -> Finding | None:
    if one.rows < _ENOUGH or one.inverted < SHARE:
        return None
    return wrong(
        "targets_inverted",
        f"In {one.inverted:.0%} of the rows the targets give one class less than all others, which get the same.",
        value=one.inverted,
        threshold=SHARE,
        advice="targets = smoothing / (classes - 1) everywhere, and 1 - smoothing for the label",
        check=command,
        explains=("wrong_loss_family", "labels_unfit", "targets_shuffled", *CONSEQUENCES),
    )
