"""D5: hardly any gradient reaches the first layers.

Signal: gradient times weight of each layer, the median of the first third against the largest of the last third.
Threshold: below 0.002 at the median of the first half of the samples, or of the last five while the loss is above a
    tenth of what it was at first. Healthy networks of the benchmark have 0.05 to 10.
Why: the first layers stay as they were initialized, and the rest learns from noise.
Example: ten layers of `nn.Sigmoid()`, whose slope is at most 1/4.
Wrong when: the first layers are finished and the last ones still learn.
Source: AutoTrainer (1e-3 and 1e-4); Glorot and Bengio 2010.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, course, deep, known, median, relative_gradients, rises, weights
from hasten.diagnosis.rule import Outcome

_RATIO, _LEARNED = 2e-3, 0.1


def find(health: Health) -> Outcome:
    """Fire where the gradient of the first third of the layers is a tiny part of that of the last third."""
    dynamics = health.dynamics
    missing = abstain("vanishing_gradient", health)
    if missing is not None or dynamics is None:
        return missing
    layers = [one for one in weights(dynamics) if one.depth is not None and known(one.gradient)]
    third = len(layers) // 3
    if not third:
        return None
    rows = list(zip(*(relative_gradients(one) for one in layers), strict=True))
    values = [
        median(known(row[:third])) / end
        for row in rows[1:]  # in the first step what starts at zero passes nothing on
        if known(row[:third]) and (end := max(known(row[-third:]), default=0.0)) > 0
    ]
    if len(values) < 7:
        return None
    losses = course(dynamics.losses)
    destroyed = losses is not None and (losses.last < 0 or bool(rises(dynamics, losses)))
    learned = losses is not None and losses.last < _LEARNED * losses.first  # the first layers may be finished
    early = median(values[: len(values) // 2])
    value = early if destroyed or learned else min(early, median(values[-5:]))
    if value >= _RATIO:
        return None
    return Finding(
        symptom="vanishing_gradient",
        severity=Severity.CRITICAL,
        sentence=f"The first layers get {digits3(value)} of the gradient that the last layers get.",
        value=value,
        threshold=_RATIO,
        bound=None,
        where=layers[0].name,
        advice="nn.ReLU() in place of sigmoid and tanh, residual connections x + block(x), nn.LayerNorm between layers",
        check=health.command,
        explains=(
            "not_learning",
            "update_too_small",
            "layer_imbalance",
            "plateau",
            "slow_convergence",
            "adam_eps_bound",
            "gradient_zero",
            "dead_units",
            "saturated",
        ),
        cause="deep" if deep(dynamics) else "",
    )
