"""M2: a larger batch size would fit and be faster per sample.

Signal: peak over available memory, and the ratio of the ablation doubled_batch.
Threshold: below 50 %, and samples at least 10 % cheaper at twice the batch size.
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
    """Fire where a larger batch size would fit and be faster per sample."""
    memory, ablation = profile.memory, profile.ablation("doubled_batch")
    if memory is None or memory.largest_batch is None or ablation is None or ablation.ratio is None:
        return Abstained(symptom="memory_headroom", reason="memory or ablation doubled_batch was not measured")
    filled = memory.measured_peak / memory.available
    if filled >= _HALF or ablation.ratio.low < _GAIN or memory.largest_batch < 2 * profile.batch_size:
        return None
    recoverable = profile.share(*COMPUTE) * (1 - 1 / ablation.ratio.value)
    return Finding(
        symptom="memory_headroom",
        severity=severity(recoverable),
        sentence=f"{percent(1 - filled)} of memory is free; doubling the batch size costs "
        f"{1 / ablation.ratio.value:.2f}x per sample.",
        value=filled,
        threshold=_HALF,
        bound=speedup(recoverable),
        bound_from=ablation.name,
        where="memory",
        advice="try a larger batch size, with its learning rate",
        check=recheck(profile),
    )
