"""S6: the host waits for the device's numbers.

Signal: synchronizing calls per step (`torch.cuda.set_sync_debug_mode`).
Threshold: more than one a step. Abstains on the CPU.
Source: TraceML; gpuprof.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import Outcome, recheck, severity

_PER_STEP = 1.0


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where every step stops to ask the device."""
    count = profile.structure.sync_points if profile.structure is not None else None
    if count is None:
        return Abstained(symptom="sync_points", reason="the run is on the CPU, or its device was not watched")
    if count <= _PER_STEP:
        return None
    probe = profile.probe("no_logging")
    bound = max(probe.ratio.high, 1.0) if probe is not None and probe.ratio is not None else None
    return Finding(
        symptom="sync_points",
        severity=severity(1 - 1 / bound if bound else 0.0),
        sentence=f"The code stops {count:.0f} times a step to ask the device for numbers.",
        value=count,
        threshold=_PER_STEP,
        bound=bound,
        bound_from="no_logging" if bound else "",
        where="step",
        advice="read losses and metrics every few steps: no .item(), .cpu() or print in the step",
        check=recheck(profile),
    )
