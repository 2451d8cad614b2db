"""D28: the loss falls far below 0, though its function cannot: training maximizes it.

Signal: medians of the losses in 20 blocks, and the loss function of torch behind them.
Threshold: below 0 by three times the size of the first losses; 60 steps, one optimizer.
Why: a minus sign before the loss makes every step worsen the model.
Example: `(-loss).backward()` with `F.cross_entropy`.
Wrong when: a further term of the loss is negative without bound, as a log-likelihood of densities is.
Source: definition of the loss functions; DeepCrime's operators on losses (Humbatova et al. 2021).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import STEPS, abstain, course, single
from hasten.diagnosis.rule import Outcome

_BELOW = 3.0


def find(health: Health) -> Outcome:
    """Fire where a loss that is never negative falls without bound."""
    dynamics = health.dynamics
    missing = abstain("loss_sign", health, samples=1, steps=STEPS)
    if missing is not None or dynamics is None:
        return missing
    if dynamics.criterion is None or not single(dynamics):
        return Abstained(symptom="loss_sign", reason="no loss function of torch was seen, or several optimizers train")
    losses = course(dynamics.losses)
    if losses is None or not losses.last < -_BELOW * abs(losses.first):
        return None
    name = dynamics.criterion.name.removesuffix("Backward0")
    return Finding(
        symptom="loss_sign",
        severity=Severity.CRITICAL,
        sentence=f"The loss fell to {digits3(losses.last)}, but {name} cannot be below 0: training maximizes it.",
        value=losses.last,
        threshold=-_BELOW * abs(losses.first),
        bound=None,
        advice="loss.backward()  # without the minus sign",
        check=health.command,
        explains=(
            "diverging",
            "update_too_large",
            "exploding_gradient",
            "nonfinite",
            "weight_growth",
            "overfit",
            "labels_unfit",
            "targets_shuffled",
            "dead_units",
            "saturated",
            "direction_consistent",
            "loss_spikes",
            "residual_collapsed",
            "positions_unused",
        ),
    )
