"""S11: the optimizer step is slow.

Signal: time of the optimizer step and of clearing gradients, as a share of wall time.
Threshold: 10 %, and the ablation skipped_update must confirm that half of that can be gained.
Source: TorchTidy (single-tensor optimizer); TraceML.
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, gain, recheck, severity

_HEAVY = 0.10


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the optimizer step takes long."""
    share = profile.share("update")
    bound, source = gain(profile, "skipped_update", share)
    recoverable = 1 - 1 / bound
    if share < _HEAVY or recoverable < MATTERS:
        return None
    single = profile.structure is not None and profile.structure.fused_update is False
    return Finding(
        symptom="optimizer_heavy",
        severity=severity(recoverable),
        sentence=f"The optimizer step takes {percent(share)} of step time"
        f"{' (not fused: one call per parameter)' if single else ''}.",
        value=share,
        threshold=_HEAVY,
        bound=bound,
        bound_from=source,
        where="update",
        advice="use a fused optimizer, or fewer updates with a larger batch size",
        check=recheck(profile),
    )
