"""W40: a penalty on weights that the loss adds is far larger than what it measures of the outputs.

Signal: the first loss against the criterion in it, where weights enter the loss by themselves: their absolute values,
    squares or norms; the weights at the end against those of the start.
Threshold: more than half of the first loss, while the typical weight shrinks to 30 % or less.
Why: the loss is then made small by weights of 0, and the outputs become constant.
Example: `loss = criterion(out, y) + sum(p.abs().sum() for p in model.parameters())`.
Wrong when: only very few inputs are to be used.
Source: Tibshirani 1996 (the larger the penalty, the more weights are 0); Humbatova et al. 2020 (wrong loss).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.dynamics.judging import known, median, weights
from hasten.diagnosis.rule import Outcome

_SHARE, _LEFT = 0.5, 0.3


def find(health: Health) -> Outcome:
    """Fire where the penalty takes the weights away."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="penalty_dominates", reason="no graph of a loss was seen")
    if seen.penalty is None or seen.penalty <= _SHARE:
        return None
    if health.dynamics is None:
        return Abstained(symptom="penalty_dominates", reason="no weights were seen")
    sizes = [known(one.weight)[-1] / one.start for one in weights(health.dynamics) if known(one.weight)]
    if not median(sizes) <= _LEFT:
        return None
    return Finding(
        symptom="penalty_dominates",
        severity=Severity.CRITICAL,
        sentence=f"A penalty on weights makes up {percent(seen.penalty)} of the first loss, and shrank the typical "
        f"weight to {percent(median(sizes))} of its size.",
        value=seen.penalty,
        threshold=_SHARE,
        bound=None,
        advice="divide the factor of the penalty until it is 1 % to 10 % of the first loss",
        check=health.command,
        explains=(
            "not_learning",
            "plateau",
            "weight_growth",
            "output_ignores_input",
            "vanishing_gradient",
            "gradient_zero",
            "dead_units",
            "layer_imbalance",
            "update_too_large",
            "direction_zigzag",
            "edge_of_stability",
            "noise_dominated",
        ),
    )
