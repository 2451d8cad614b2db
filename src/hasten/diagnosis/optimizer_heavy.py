"""S11: the update of the weights itself is slow.

Signal: time of the optimizer's step and of clearing gradients, as a share of the wall time.
Threshold: 10 %, and the probe skipped_update must agree that half of that can be gained.
Source: TorchTidy (single-tensor optimizer); TraceML.
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, gain, recheck, severity

_HEAVY = 0.10


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the update takes its time."""
    share = profile.share("update")
    bound, source = gain(profile, "skipped_update", share)
    recoverable = 1 - 1 / bound
    if share < _HEAVY or recoverable < MATTERS:
        return None
    single = profile.structure is not None and profile.structure.fused_update is False
    return Finding(
        symptom="optimizer_heavy",
        severity=severity(recoverable),
        sentence=f"The update of the weights takes {percent(share)} of the time"
        f"{', one parameter after another' if single else ''}.",
        value=share,
        threshold=_HEAVY,
        bound=bound,
        bound_from=source,
        where="update",
        advice="fuse the optimizer, or update less often with larger batches",
        check=recheck(profile),
    )
