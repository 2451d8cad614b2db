"""D15: all steps go the same way: they could be larger, or momentum keeps them from turning.

Signal: cosine between the gradients of consecutive steps, on average; update-to-weight ratio.
Threshold: above 0.9 with updates below 3e-4 of the weights, while the loss falls without slowing down. Updates above
    0.99 at the median, where momentum averages over 90 steps and over a fifth of a complete training.
Why: where consecutive gradients are alike, one step could go as far as many.
Example: a learning rate of 1e-5 with batches of thousands.
Wrong when: a finished model is adapted with care.
Source: Cockpit (alpha below 0).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, across, creeps, known, mean, median, ratios, upper, weights
from hasten.diagnosis.rule import Outcome

_STEPS, _ALIKE, _SMALL = 100, 0.9, 3e-4
_STIFF, _MEMORY, _PART = 0.99, 90.0, 0.2


def find(health: Health) -> Outcome:
    """Fire where gradients hardly turn and updates are small."""
    dynamics = health.dynamics
    missing = abstain("direction_consistent", health, samples=24, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    cosines = known(dynamics.gradient_cosines)
    if len(cosines) < 16:
        return Abstained(symptom="direction_consistent", reason="gradients of consecutive steps were not seen")
    value, updates = mean(cosines), median(known(dynamics.update_cosines))
    memory = 1 / max(1e-6, 1 - (dynamics.momentum or 0.0))
    if health.complete and updates > _STIFF and memory > max(_MEMORY, _PART * len(dynamics.losses)):
        sentence = (
            f"Updates hardly turn, cosine {digits3(updates)}, though gradients do: "
            f"momentum averages {round(memory)} steps of {len(dynamics.losses)}."
        )
        return _finding(health, sentence, updates, _STIFF, "momentum=0.9, for Adam betas=(0.9, 0.999)")
    small = upper(across([ratios(one) for one in weights(dynamics)])) < _SMALL
    if value > _ALIKE and small and creeps(dynamics)[0]:
        sentence = f"Consecutive gradients are alike, cosine {digits3(value)}, and the steps are small."
        return _finding(health, sentence, value, _ALIKE, "raise the learning rate by a factor of 3 to 10")
    return None


def _finding(health: Health, sentence: str, value: float, threshold: float, advice: str) -> Finding:
    return Finding(
        symptom="direction_consistent",
        severity=Severity.WARNING,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        advice=advice,
        check=health.command,
        explains=("loss_oscillates", "loss_spikes", "diverging"),
    )
