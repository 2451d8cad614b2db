"""D11: most units of a sigmoid or tanh layer are stuck at an end of its range.

Signal: the mean slope of each unit over a batch, against the steepest one; share of units below 10 %.
Threshold: more than half of the units of a hidden layer, from the start or while the loss does not fall, in three of
    the last five samples.
Why: where the curve is flat no gradient passes.
Example: weights that start 10 times too large, or inputs from 0 to 255.
Wrong when: the layer is a gate that is meant to be open or closed.
Source: SageMaker Debugger (SaturatedActivation: half of the units).
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.dynamics.judging import abstain, course, known, median
from hasten.diagnosis.rule import Outcome

_SHARE = 0.5


def find(health: Health) -> Outcome:
    """Fire on the first layer most of whose units are saturated."""
    dynamics = health.dynamics
    missing = abstain("saturated", health)
    if missing is not None or dynamics is None:
        return missing
    losses = course(dynamics.losses)
    stuck = losses is not None and not losses.falls
    shares = [
        (median(known(one.saturated)[-5:]), one)
        for one in dynamics.activations
        if one.kind in ("sigmoid", "tanh") and one.hidden and one.units > 1 and len(known(one.saturated)) >= 3
        if (one.saturated[0] or 0.0) > _SHARE or stuck
    ]
    share, worst = next(((share, one) for share, one in shares if share > _SHARE), (0.0, None))
    if worst is None:
        return None
    return Finding(
        symptom="saturated",
        severity=Severity.CRITICAL if share > 0.9 else Severity.WARNING,
        sentence=f"{percent(share)} of the {worst.units} {worst.kind} units of {worst.name or 'a layer'} are stuck.",
        value=share,
        threshold=_SHARE,
        bound=None,
        where=worst.name,
        advice="scale inputs to mean 0 and deviation 1, start with smaller weights, or add nn.LayerNorm before it",
        check=health.command,
        explains=(
            "vanishing_gradient",
            "gradient_zero",
            "not_learning",
            "plateau",
            "update_too_small",
            "output_ignores_input",
            "layer_imbalance",
            "slow_convergence",
            "exploding_gradient",
            "adam_eps_bound",
        ),
    )
