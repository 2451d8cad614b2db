"""D18: the weights grow or shrink by an order of magnitude.

Signal: rms of each weight in the last samples over that at the start, median over the layers; those of embeddings
    where the model has no others.
Threshold: above 10 while the loss rises or stays at chance; below 0.5 with weight decay while it does not fall. Or
    decay of 0.05 and more makes up 30 % of the early updates and would erase a weight twice in the training.
Why: growing weights saturate what follows; decay that is stronger than the gradient erases what is learned.
Example: `SGD(model.parameters(), lr=0.1, weight_decay=1.0)`.
Wrong when: weights start far below their final size on purpose, and normalization follows them.
Source: torchmortem (10); Krogh and Hertz 1992 on weight decay.
"""

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, percent
from hasten.diagnosis.dynamics.judging import abstain, across, course, harmed, known, mean, median, ratios, weights
from hasten.diagnosis.rule import Outcome

_GROWS, _SHRINKS, _ERASED, _TIMES, _DECAY = 10.0, 0.5, 0.3, 2.0, 0.05


def _erased(dynamics: Dynamics) -> float:
    """Return which part of the early updates is decay, 0 where it erases a weight less than twice in the training.

    For optimizers that apply it to the weights, or are linear in the gradient; only early, since later both balance.
    """
    decay = dynamics.decay or 0.0
    if dynamics.optimizers[:1] not in (("SGD",), ("AdamW",)) or decay < _DECAY:
        return 0.0
    rates = known(dynamics.rates)
    early = slice(2, max(10, len(rates) // 4))
    sizes = across([ratios(one) for one in weights(dynamics)])
    parts = [rate * decay / size for rate, size in zip(rates[early], sizes[early], strict=False) if size > 0]
    lasting = mean(rates) * decay * len(dynamics.losses) > _TIMES
    return min(1.0, median(parts)) if parts and lasting else 0.0


def find(health: Health) -> Outcome:
    """Fire on weights that inflate, and on weights that decay takes away."""
    dynamics = health.dynamics
    missing = abstain("weight_growth", health, samples=16, steps=50)
    if missing is not None or dynamics is None:
        return missing
    judged = weights(dynamics) or [
        one for one in dynamics.parameters if one.start > 0 and min(one.shape[1:], default=1) > 1
    ]
    sizes = [median(known(one.weight)[-3:]) / one.start for one in judged if len(known(one.weight)) >= 3]
    value, losses = median(sizes), course(dynamics.losses)
    harm = bool(harmed(health)[0])
    stuck = losses is not None and (not losses.falls or harm)
    erased = _erased(dynamics)
    shrinks = bool(dynamics.decay) and (erased > _ERASED or (value < _SHRINKS and stuck))
    if not ((value > _GROWS and harm) or shrinks):
        return None
    if erased > _ERASED:
        sentence = f"Weight decay of {digits3(dynamics.decay or 0.0)} makes up {percent(erased)} of an update."
    else:
        decay = f"Weight decay of {digits3(dynamics.decay or 0.0)} shrank" if shrinks else "Training grew"
        sentence = f"{decay} the weights to {digits3(value)} times their size at the start."
    return Finding(
        symptom="weight_growth",
        severity=Severity.CRITICAL if shrinks else Severity.WARNING,
        sentence=sentence,
        value=erased if erased > _ERASED else value,
        threshold=_ERASED if erased > _ERASED else _SHRINKS if shrinks else _GROWS,
        bound=None,
        advice="weight_decay=1e-4 for SGD, 0.01 for AdamW"
        if shrinks
        else "weight_decay=0.01, or a lower learning rate",
        check=health.command,
        explains=(
            "update_too_large",
            "dead_units",
            "vanishing_gradient",
            "not_learning",
            "plateau",
            "diverging",
            "update_too_small",
            "layer_imbalance",
            "adam_eps_bound",
            "slow_convergence",
            "output_ignores_input",
            "saturated",
            "attention_uniform",
        )
        if shrinks
        else ("saturated", "logits_too_large"),
    )
