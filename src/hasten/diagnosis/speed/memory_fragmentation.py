"""M3: the allocator's memory is fragmented.

Signal: what a GPU's allocator reserves for a step that starts from an empty cache, against the peak of its tensors.
Threshold: 30 % of it unused, where it fills half of the available memory. Abstains on the CPU.
Source: TraceML (reserved over allocated of 2).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck

UNTREATED = "a setting of the process that must be set before it starts"
"""Why no technique treats it."""

_UNUSED = 0.3
_FILLED = 0.5  # unused reserved memory does not matter while most of the memory is free


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where a half-full device has reserved much that tensors do not use."""
    memory = profile.memory
    if memory is None or not memory.reserved:
        return Abstained(symptom="memory_fragmentation", reason="no caching allocator: the run is on the CPU")
    unused = 1 - memory.measured_peak / memory.reserved
    if unused <= _UNUSED or memory.reserved < _FILLED * memory.available:
        return None
    return Finding(
        symptom="memory_fragmentation",
        severity=Severity.WARNING,
        sentence=f"{percent(unused)} of reserved GPU memory is not used at the peak of a step: it is fragmented.",
        value=unused,
        threshold=_UNUSED,
        bound=None,
        where="memory",
        advice="set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True, or keep shapes fixed",
        check=recheck(profile),
    )
