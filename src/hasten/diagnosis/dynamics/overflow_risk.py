"""D3: numbers leave the range of float16.

Signal: the largest activation in float16, and the share of gradients that are exactly 0 where float16 computes them
    without a scaler.
Threshold: 10,000 in three of the last five samples, or infinity (float16 ends at 65,504); half of the gradients.
Why: what is too large becomes infinite, and gradients below 6e-8 become 0.
Example: `model.half()` without `torch.amp.GradScaler`.
Wrong when: most inputs are 0, so that their weights get no gradient anyway.
Source: ml-engineering, instabilities (Bekman): 1e4; mixed precision training (Micikevicius et al. 2018).
"""

from hasten.base.records.dynamics import ActivationTrack
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, percent
from hasten.diagnosis.dynamics.judging import across, known, median, weights
from hasten.diagnosis.rule import Outcome

_LARGEST, _ZEROS = 1e4, 0.5


def find(health: Health) -> Outcome:
    """Fire on activations near the end of float16, and on gradients that it rounds to 0."""
    dynamics = health.dynamics
    half = [] if dynamics is None else [one for one in dynamics.activations if one.number_format == "float16"]
    if dynamics is None or not half:
        return Abstained(symptom="overflow_risk", reason="nothing was computed in float16")
    large = next((one for one in half if _overflows(one)), None)
    zeros = median(across([one.zeros for one in weights(dynamics)]))
    if large is not None:
        size = max(known(large.largest), default=0.0)
        end = "to infinity" if None in large.largest else f"to {digits3(size)}"
        sentence = f"Activations at {large.name or 'a layer'} grow {end} in float16, which ends at 65,504."
        return _finding(health, sentence, size, _LARGEST, large.name)
    if zeros > _ZEROS and not dynamics.scaled:
        sentence = f"{percent(zeros)} of the gradients are 0: they are too small for float16."
        return _finding(health, sentence, zeros, _ZEROS)
    return None


def _overflows(one: ActivationTrack) -> bool:
    newest = one.largest[-5:]
    return sum(size is None or size > _LARGEST for size in newest) >= min(3, len(newest))


def _finding(health: Health, sentence: str, value: float, threshold: float, where: str = "") -> Finding:
    return Finding(
        symptom="overflow_risk",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        where=where,
        advice="compute in bfloat16, or keep weights in float32 and use torch.amp.autocast with torch.amp.GradScaler",
        check=health.command,
        explains=(
            "nonfinite",
            "scaler_skips",
            "update_too_small",
            "not_learning",
            "vanishing_gradient",
            "gradient_zero",
            "parameter_unchanged",
            "exploding_gradient",
            "diverging",
        ),
    )
