"""S1: the model waits for data.

Signal: the time from asking for a batch until it is there, as a share of the wall time.
Threshold: 5 %; the cached-batch probe must agree that this can be gained.
Source: TensorBoard plugin of the PyTorch profiler (5 %), XProf (5 and 20 %), TraceML (10 and 20 %).
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, gain, recheck, severity


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the wait for input is worth removing."""
    share = profile.share("input")
    bound, source = gain(profile, "cached_batch", share)
    recoverable = 1 - 1 / bound
    if share < MATTERS or recoverable < MATTERS:
        return None
    return Finding(
        symptom="input_bound",
        severity=severity(recoverable),
        sentence=f"The model waits for data {percent(share)} of the time.",
        value=share,
        threshold=MATTERS,
        bound=bound,
        bound_from=source,
        where="input",
        advice="load in the background, keep decoded data in memory, or make reading a sample cheaper",
        check=recheck(profile),
        explains=("step_outliers",),
    )
