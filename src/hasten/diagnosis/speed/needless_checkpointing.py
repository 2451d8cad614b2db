"""S13: activation checkpointing although memory is free.

Signal: operators that run again inside the backward pass, while the peak leaves memory free.
Threshold: 5 % of the time, and a peak below 70 % of available memory.
Source: SageMaker Debugger (p95 of memory below 70 %).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup

UNTREATED = "checkpointing is in the user's own model"
"""Why no technique treats it."""

_ROOM = 0.7


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where activations are recomputed although they would fit."""
    if profile.operators is None or profile.memory is None:
        return Abstained(symptom="needless_checkpointing", reason="operators or memory were not measured")
    again_s = sum(one.seconds for one in profile.operators if one.phase == "recomputation")
    share = again_s / sum(part.seconds for part in profile.parts)
    filled = profile.memory.measured_peak / profile.memory.available
    if share < MATTERS or filled >= _ROOM:
        return None
    return Finding(
        symptom="needless_checkpointing",
        severity=severity(share),
        sentence=f"Recomputing activations takes {percent(share)} of step time; memory is only {percent(filled)} full.",
        value=share,
        threshold=MATTERS,
        bound=speedup(share),
        bound_from="share of the time",
        where="backward",
        advice="disable activation checkpointing, or use it for the largest layers only",
        check=recheck(profile),
        explains=("backward_anomaly", "low_compute_efficiency"),
    )
