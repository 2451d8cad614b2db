"""D5: hardly any gradient reaches the first layers.

Signal: gradient times weight of each layer, the smallest of the first third against the median of the last third.
Threshold: below 1/10,000 in three of the last five samples, or below 1/1,000 with an update-to-weight ratio below 1e-5.
Why: the first layers stay as they were initialized, and the rest learns from noise.
Example: ten layers of `nn.Sigmoid()`, whose slope is at most 1/4.
Wrong when: the first layers are finished and the last ones still learn.
Source: AutoTrainer (1e-3 and 1e-4); Glorot and Bengio 2010.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, known, median, ratios, relative_gradients, weights
from hasten.diagnosis.rule import Outcome

_CLEAR, _RATIO, _SLOW = 1e-4, 1e-3, 1e-5


def find(health: Health) -> Outcome:
    """Fire where the gradient of the first third of the layers is a tiny part of that of the last third."""
    dynamics = health.dynamics
    missing = abstain("vanishing_gradient", health)
    if missing is not None or dynamics is None:
        return missing
    layers = [one for one in weights(dynamics) if one.depth is not None and any(known(one.gradient))]
    third = len(layers) // 3
    if not third:
        return None
    rows = list(zip(*(relative_gradients(one) for one in layers), strict=True))[-5:]
    values = [
        median(known(row[:third])) / end
        for row in rows
        if known(row[:third]) and (end := median(known(row[-third:]))) > 0
    ]
    if len(values) < 3:
        return None
    value = median(values)
    slow = median([median(known(ratios(one))[-5:]) for one in layers[:third]])
    if value >= _RATIO or (value >= _CLEAR and not slow < _SLOW):
        return None
    return Finding(
        symptom="vanishing_gradient",
        severity=Severity.CRITICAL,
        sentence=f"The first layers get {digits3(value)} of the gradient that the last layers get.",
        value=value,
        threshold=_CLEAR if value < _CLEAR else _RATIO,
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
        ),
    )
