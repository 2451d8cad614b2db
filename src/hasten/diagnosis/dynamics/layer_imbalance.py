"""D9: one layer changes far faster than the others.

Signal: rms of the update over that of the weight of each layer, median of the last five samples.
Threshold: the fastest layer is above 0.01 and 100 times faster than the median of the others; or it is so in the first
    eight samples, above 0.3, and the loss jumps to three times its first value.
Why: the fast layer chases noise while the others stand still.
Example: a parameter group of the last layer with a learning rate 300 times as large.
Wrong when: a small new layer is trained on a large finished model.
Source: torchmortem (100); LARS and LAMB (You et al. 2017, 2020).
"""

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, known, median, ratios, weights
from hasten.diagnosis.rule import Outcome

_FAST, _RACES, _TIMES = 0.01, 0.3, 100.0
_JUMP = 3.0  # times the first loss


def find(health: Health) -> Outcome:
    """Fire where one layer races while the others hardly move."""
    dynamics = health.dynamics
    missing = abstain("layer_imbalance", health)
    if missing is not None or dynamics is None:
        return missing
    speeds = sorted(
        ((median(known(ratios(one))[-5:]), one) for one in weights(dynamics) if len(known(ratios(one))) >= 5),
        key=lambda pair: pair[0],
    )
    early = sorted(((median(known(ratios(one))[:8]), one) for _, one in speeds), key=lambda pair: pair[0])
    if len(speeds) < 2:
        return None
    (speed, fastest), others = speeds[-1], median([value for value, _ in speeds[:-1]])
    if not (speed > _FAST and others > 0 and speed > _TIMES * others):
        (speed, fastest), others = early[-1], median([value for value, _ in early[:-1]])
        if not (speed > _RACES and others > 0 and speed > _TIMES * others and _jumped(dynamics)):
            return None
    return Finding(
        symptom="layer_imbalance",
        severity=Severity.WARNING,
        sentence=f"{fastest.name or 'One layer'} changes by {digits3(speed)} per update, {digits3(speed / others)}x "
        "as fast as the others.",
        value=speed / others,
        threshold=_TIMES,
        bound=None,
        where=fastest.name,
        advice="give its parameter group the learning rate of the others",
        check=health.command,
        explains=("diverging", "loss_spikes", "loss_oscillates", "weight_growth", "dead_units", "direction_zigzag"),
    )


def _jumped(dynamics: Dynamics) -> bool:
    """Whether the loss soon was far above the first one."""
    losses = known(dynamics.losses)
    return len(losses) > 20 and median(losses[5:20]) > _JUMP * losses[0] > 0
