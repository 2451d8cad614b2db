"""S18: start-up takes long.

Signal: time to build and to make the first step, against a usual step and the planned training.
Threshold: the first step takes more than 10 usual ones, and start-up 10 % of the planned training or a minute.
Source: SageMaker Debugger's MaxInitializationTime; gpuprof (10 times).
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent, seconds
from hasten.diagnosis.rule import Outcome, recheck, severity, speedup

_TIMES = 10.0
_SHARE = 0.10
_LONG_S = 60.0


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where start-up is a large part of the training."""
    step_s = profile.step_s.value
    start_s = profile.build_s + profile.first_step_s - step_s
    planned_s = profile.planned_steps * step_s if profile.planned_steps else None
    share = start_s / (start_s + planned_s) if planned_s else None
    if profile.first_step_s <= _TIMES * step_s:
        return None
    if (share is None or share < _SHARE) and start_s < _LONG_S:
        return None
    part = f", {percent(share)} of the planned training" if share is not None else ""
    return Finding(
        symptom="cold_start",
        severity=severity(share if share is not None else 0.0),
        sentence=f"Start-up takes {seconds(start_s)}{part}.",
        value=profile.first_step_s / step_s,
        threshold=_TIMES,
        bound=speedup(share) if share is not None else None,
        bound_from="share of the time" if share is not None else "",
        where="first step",
        advice="keep the compile cache (TORCHINDUCTOR_CACHE_DIR), or do not compile so short a training",
        check=recheck(profile),
    )
