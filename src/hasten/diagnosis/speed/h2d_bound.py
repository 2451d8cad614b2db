"""S3: copying batches to the device takes long.

Signal: time from when a batch is ready until it is on the device, as a share of wall time.
Threshold: 5 %. Abstains on the CPU, where nothing is copied.
Source: TraceML; gpuprof.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity, speedup


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where copies to the device are not hidden behind computation."""
    if profile.on_host:
        return Abstained(symptom="h2d_bound", reason="the run is on the CPU: no copies to a device")
    share = profile.share("transfer")
    if share < MATTERS:
        return None
    pageable = profile.loading is not None and profile.loading.pinned is False
    return Finding(
        symptom="h2d_bound",
        severity=severity(share),
        sentence=f"Copying batches to the device takes {percent(share)} of step time"
        f"{' (memory is not pinned)' if pageable else ''}.",
        value=share,
        threshold=MATTERS,
        bound=speedup(share),
        bound_from="share of the time",
        where="transfer",
        advice="pin memory and copy the next batch during the current step",
        check=recheck(profile),
    )
