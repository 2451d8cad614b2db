"""D22: the loss rises.

Signal: medians of the losses in 20 blocks: the last fifth against the lowest block.
Threshold: it has lost half of what it had gained, four standard errors and 10 % of the lowest block, or ends above its
    start by that much; 60 steps, one optimizer.
Why: what was learned is being destroyed.
Example: a learning rate at which training is unstable, or a warm-up that leads to too high a rate.
Wrong when: the data get harder on purpose, or a penalty is turned up. Not judged where a target network, or the returns
    of a policy, move the targets.
Source: SageMaker Debugger (LossNotDecreasing: 5 %); gradsnitch (30 %).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import STEPS, abstain, chases, course, rises, single
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where the loss ends far above where it was."""
    dynamics = health.dynamics
    missing = abstain("diverging", health, samples=1, steps=STEPS)
    if missing is not None or dynamics is None:
        return missing
    if chases(health):
        return Abstained(symptom="diverging", reason="a target network or the returns of a policy move the targets")
    if not single(dynamics):
        return Abstained(symptom="diverging", reason="several optimizers train: their losses may rise and fall")
    losses = course(dynamics.losses)
    if losses is None:
        return None
    threshold = rises(dynamics, losses)
    if not threshold:
        return None
    return Finding(
        symptom="diverging",
        severity=Severity.CRITICAL,
        sentence=f"The loss rose from {digits3(losses.best)} to {digits3(losses.last)}.",
        value=losses.last,
        threshold=threshold,
        bound=None,
        advice="lower the learning rate by a factor of 3 to 10, warm it up, and clip gradients",
        check=health.command,
        explains=(
            "dead_units",
            "loss_spikes",
            "loss_oscillates",
            "not_learning",
            "plateau",
            "weight_growth",
            "overfit",
        ),
    )
