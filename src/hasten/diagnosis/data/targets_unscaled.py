"""E9: the targets of a regression are far larger than what the model gives at the start.

Signal: root mean square of the targets, against that of the outputs in the first pass.
Threshold: 30 and more, and 30 times the outputs. A model whose output is scaled at its end is not meant: its outputs
are large.
Why: the last layer must first grow to the size of the targets, and the gradients are as large as they are.
Example: house prices in dollars (200,000) with `mse_loss` and a plain linear output.
Wrong when: the learning rate was chosen for it and the training is long.
Source: Bishop 1995, Neural Networks for Pattern Recognition, 8.2; the threshold leaves room for targets of 20 to 30
(Boston housing, miles per gallon), on which plain networks train.
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, REGRESSION, call, each_criterion, wrong
from hasten.diagnosis.rule import Outcome

SIZE = RATIO = 30.0


def find(health: Health) -> Outcome:
    """Fire where targets are large and outputs are not."""
    return each_criterion(health, "targets_unscaled", _judged)


def _judged(one: Criterion, command: str) -> Finding | None:
    target, output = one.target, one.first_output
    if one.kind not in REGRESSION or target is None or output is None or not target.numbers:
        return None
    size = (target.mean**2 + target.std**2) ** 0.5
    given = (output.mean**2 + output.std**2) ** 0.5
    if size < SIZE or size < RATIO * given:
        return None
    return wrong(
        "targets_unscaled",
        f"The targets are about {size:.3g} in size and the first outputs {given:.2g}; scale the targets to about 1.",
        value=size,
        threshold=SIZE,
        advice="y = (y - y_train.mean()) / y_train.std(), and undo it to predict",
        check=command,
        where=call(one),
        severity=Severity.WARNING,
        explains=(
            "exploding_gradient",
            "update_too_large",
            "gradient_scale",
            "loss_spikes",
            "nonfinite",
            "clip_dominated",
            *CONSEQUENCES,
        ),
    )
