"""M2: memory lies idle that larger batches could use.

Signal: peak over what is available, and what the doubled-batch probe gains.
Threshold: below 50 %, and samples at least 10 % cheaper in a batch twice as large.
Source: SageMaker Debugger's BatchSize; DLProf.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

_HALF = 0.5
_GAIN = 1.1


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where a larger batch would fit and pay."""
    memory, probe = profile.memory, profile.probe("doubled_batch")
    if memory is None or probe is None or probe.ratio is None:
        return Abstained(symptom="memory_headroom", reason="memory or the probe doubled_batch is missing")
    filled = memory.measured_peak / memory.available
    if filled >= _HALF or probe.ratio.low < _GAIN or memory.largest_batch < 2 * profile.batch_size:
        return None
    recoverable = profile.share(*COMPUTE) * (1 - 1 / probe.ratio.value)
    return Finding(
        symptom="memory_headroom",
        severity=severity(recoverable),
        sentence=f"{percent(1 - filled)} of memory is idle; samples are {probe.ratio.value:.2f} times cheaper in a "
        "batch twice as large.",
        value=filled,
        threshold=_HALF,
        bound=speedup(recoverable),
        bound_from=probe.name,
        where="memory",
        advice="try a larger batch, with its learning rate",
        check=recheck(profile),
    )
