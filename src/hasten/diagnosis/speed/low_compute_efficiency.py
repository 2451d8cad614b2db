"""S7: low compute efficiency: the device is busy but far below its peak.

Signal: the roofline bound of forward and backward pass over the time that they take.
Threshold: 30 % of the bound from the measured peaks of this machine, where computing is at least half of the time.
Never critical: no fix reaches the limit of the machine, and a finding with a concrete cause comes first.
Source: gpuprof (MFU below 30 %); ml-engineering's maximum achievable matmul FLOPS. We take the bound of each layer, so
that memory-bound layers are not blamed for low FLOP/s.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, speedup

_ACHIEVED = 0.3
_COMPUTING = 0.5


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where computing dominates and is far below the roofline."""
    if profile.roofline is None:
        return Abstained(symptom="low_compute_efficiency", reason="peaks or operations are not known")
    computing, achieved = profile.share(*COMPUTE), profile.roofline.achieved
    if computing < _COMPUTING or achieved >= _ACHIEVED:
        return None
    recoverable = computing * (1 - achieved)
    return Finding(
        symptom="low_compute_efficiency",
        severity=Severity.WARNING,
        sentence=f"Forward and backward reach {percent(achieved)} of the roofline of this machine.",
        value=achieved,
        threshold=_ACHIEVED,
        bound=speedup(recoverable),
        bound_from="roofline",
        where="forward and backward",
        advice="try another back end, memory layout or number format, or compile the model",
        check=recheck(profile),
    )
