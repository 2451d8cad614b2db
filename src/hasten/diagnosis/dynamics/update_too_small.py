"""D7: the updates are too small to change the model within the run.

Signal: rms of the update over that of the weight, median over the layers, in the samples in which it was largest.
Threshold: below 1e-4, so that all steps together move no weight by more than 5 %, while the loss changes by less than
    2 %, or ends at that of a constant output. Silent while a warm-up still raises the learning rate.
Why: healthy training moves weights by about 1e-3 of their size in each step.
Example: `Adam(model.parameters(), lr=1e-6)`.
Wrong when: a finished model is only polished.
Source: Karpathy's recipe (1e-3); torchmortem (1e-5).
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, across, at_chance, course, faster, known, ratios, upper, weights
from hasten.diagnosis.rule import Outcome

_SMALL, _PATH, _CHANGE = 1e-4, 0.05, 0.02


def find(health: Health) -> Outcome:
    """Fire where no update was large enough to matter and the loss stands still."""
    dynamics = health.dynamics
    missing = abstain("update_too_small", health, samples=16, steps=50)
    if missing is not None or dynamics is None:
        return missing
    losses, rates = course(dynamics.losses), known(dynamics.rates)
    sizes = across([ratios(one) for one in weights(dynamics)])
    value = upper(sizes)
    if not sizes or losses is None or not value < _SMALL or value * len(dynamics.losses) > _PATH:
        return None
    still = abs(losses.first - losses.last) <= max(_CHANGE * abs(losses.first), 2 * losses.error)
    if not (still or at_chance(dynamics)) or (rates and rates[-1] > 2 * rates[len(rates) // 2]):
        return None
    return Finding(
        symptom="update_too_small",
        severity=Severity.CRITICAL,
        sentence=f"Each update changes the weights by {digits3(value)} of their size; {digits3(1e-3)} is usual.",
        value=value,
        threshold=_SMALL,
        bound=None,
        advice=faster(dynamics),
        check=health.command,
        explains=("not_learning", "slow_convergence", "plateau", "direction_consistent", "noise_dominated"),
    )
