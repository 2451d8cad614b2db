"""S6: host-device synchronizations in the step.

Signal: synchronizing calls per step (`torch.cuda.set_sync_debug_mode`).
Threshold: more than one a step. Abstains on the CPU.
Source: TraceML; gpuprof.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import Outcome, recheck, severity

UNTREATED = "in the user's own code"
"""Why no technique treats it."""

_PER_STEP = 1.0


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where every step synchronizes with the GPU."""
    count = profile.structure.sync_points if profile.structure is not None else None
    if count is None:
        return Abstained(symptom="sync_points", reason="the run is on the CPU, or synchronizations were not counted")
    if count <= _PER_STEP:
        return None
    ablation = profile.ablation("no_logging")
    bound = max(ablation.ratio.high, 1.0) if ablation is not None and ablation.ratio is not None else None
    return Finding(
        symptom="sync_points",
        severity=severity(1 - 1 / bound if bound else 0.0),
        sentence=f"The step synchronizes with the GPU {count:.0f} times.",
        value=count,
        threshold=_PER_STEP,
        bound=bound,
        bound_from="no_logging" if bound else "",
        where="step",
        advice="read losses and metrics every few steps: no .item(), .cpu() or print in the step",
        check=recheck(profile),
    )
