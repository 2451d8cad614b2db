"""S5: too many small operators.

Signal: duration of single operators, and the computing time in which none of them runs.
Threshold: most calls are shorter than 10 microseconds, and at least 10 % of wall time is between operators.
Source: HTA (kernels shorter than their launch).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

_SHORT_S = 10e-6
_SHARE_OF_CALLS = 0.5
_LOST = 0.10


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where much time is between operators."""
    if profile.operators is None:
        return Abstained(symptom="small_kernels", reason="operators were not timed")
    calls = sum(one.calls for one in profile.operators)
    if not calls:
        return None
    short = sum(one.calls for one in profile.operators if one.seconds / one.calls < _SHORT_S) / calls
    computing = [one for one in profile.operators if one.phase != "update"]
    lost_s = profile.seconds(*COMPUTE) - sum(one.seconds for one in computing)
    lost = max(lost_s, 0.0) / sum(part.seconds for part in profile.parts)
    if short < _SHARE_OF_CALLS or lost < _LOST:
        return None
    return Finding(
        symptom="small_kernels",
        severity=severity(lost),
        sentence=f"{calls:.0f} operator calls a step, {percent(short)} under 10 µs; "
        f"{percent(lost)} of step time is between them.",
        value=lost,
        threshold=_LOST,
        bound=speedup(lost),
        bound_from="share of the time",
        where="forward and backward",
        advice="fuse the operators: compile the model",
        check=recheck(profile),
    )
