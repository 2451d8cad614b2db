"""S12: the backward pass takes longer than its operations explain.

Signal: time of the backward pass over that of forward and loss, against the ratio of their counted work.
Threshold: above 2.7, and twice what is expected. (In bfloat16 torch's attention on CPUs takes 1.5 to 1.7 times that.)
Source: gpuprof (2.7). Its lower threshold (1.2) fires on frozen layers, where a short backward pass is right; we
compare with the counted work instead.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup

_RATIO = 2.7
_BEYOND = 2.0
_USUAL = 2.0


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where backward takes much longer than counted."""
    complexity = profile.complexity
    if complexity is None:
        return Abstained(symptom="backward_anomaly", reason="operations were not counted")
    forward_s, backward_s = profile.seconds("forward", "loss"), profile.seconds("backward")
    if not forward_s or not complexity.flops_forward:
        return None
    moved = [sum(getattr(layer, name) for layer in complexity.layers) for name in ("bytes_forward", "bytes_backward")]
    by_bytes = moved[1] / moved[0] if moved[0] else 0.0
    expected = max(complexity.flops_backward / complexity.flops_forward, by_bytes, _USUAL)
    ratio = backward_s / forward_s
    excess = (backward_s - expected * forward_s) / sum(part.seconds for part in profile.parts)
    if ratio <= max(_RATIO, _BEYOND * expected) or excess < MATTERS:
        return None
    return Finding(
        symptom="backward_anomaly",
        severity=severity(excess),
        sentence=f"Backward takes {ratio:.1f}x the time of forward; its operations explain {expected:.1f}x.",
        value=ratio,
        threshold=max(_RATIO, _BEYOND * expected),
        bound=speedup(excess),
        bound_from="counted operations",
        where="backward",
        advice="look for hooks, custom autograd functions, scatter operations or anomaly detection",
        check=recheck(profile),
        explains=("low_compute_efficiency", "host_bound"),  # its fixed cost may be part of it
    )
