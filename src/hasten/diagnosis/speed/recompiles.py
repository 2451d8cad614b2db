"""S15: torch.compile keeps recompiling.

Signal: graphs compiled after warm-up.
Threshold: one per 100 steps.
Source: XProf (retracing); gpuprof.
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import Outcome, recheck, severity, speedup

UNTREATED = "shapes vary in the user's own data or model"
"""Why no technique treats it."""

_PER_STEP = 0.01


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where graphs are compiled after warm-up; silent where nothing is compiled."""
    count = profile.structure.recompilations if profile.structure is not None else None
    if not count or count / profile.steps < _PER_STEP:
        return None
    lost = profile.spread.excess_share if profile.spread is not None else 0.0
    return Finding(
        symptom="recompiles",
        severity=severity(lost),
        sentence=f"torch.compile recompiled {count} times in {profile.steps} steps after warm-up.",
        value=count / profile.steps,
        threshold=_PER_STEP,
        bound=speedup(lost),
        bound_from="share of the time",
        where="forward and backward",
        advice="keep shapes constant: drop the last partial batch, bucket lengths, or mark dimensions as dynamic",
        check=recheck(profile),
        explains=("step_outliers", "host_bound"),
    )
