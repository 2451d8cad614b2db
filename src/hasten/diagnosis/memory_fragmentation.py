"""M3: memory lies in pieces that nothing fits into.

Signal: what a GPU's allocator holds at the peak, beside what tensors use.
Threshold: 30 % of it unused. Abstains on the CPU.
Source: TraceML (reserved over allocated of 2).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck

_UNUSED = 0.3
_FILLED = 0.5  # unused reserves do not matter while most of the memory is free


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where a nearly full device holds much that it cannot use."""
    memory = profile.memory
    if memory is None or not memory.reserved:
        return Abstained(symptom="memory_fragmentation", reason="the run is on the CPU, which keeps no reserve")
    unused = 1 - memory.measured_peak / memory.reserved
    if unused <= _UNUSED or memory.reserved < _FILLED * memory.available:
        return None
    return Finding(
        symptom="memory_fragmentation",
        severity=Severity.WARNING,
        sentence=f"{percent(unused)} of the device memory that is held lies in unusable pieces.",
        value=unused,
        threshold=_UNUSED,
        bound=None,
        where="memory",
        advice="set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True, or keep shapes fixed",
        check=recheck(profile),
    )
