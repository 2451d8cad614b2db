"""M1: one bad batch away from running out of memory.

Signal: peak over what is available; on a GPU also how often its allocator had to try again.
Threshold: 90 %, critical at 97 %; any retry.
Source: TensorBoard plugin (90 %); TraceML (92 and 97 %).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import nbytes, percent
from hasten.diagnosis.rule import Outcome, recheck

_NEAR, _CRITICAL = 0.90, 0.97


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the peak leaves little room."""
    memory = profile.memory
    if memory is None:
        return Abstained(symptom="near_memory_limit", reason="memory was not looked at")
    filled = memory.measured_peak / memory.available
    if filled < _NEAR and not memory.retries:
        return None
    return Finding(
        symptom="near_memory_limit",
        severity=Severity.CRITICAL if filled >= _CRITICAL or memory.retries else Severity.WARNING,
        sentence=f"A step fills {percent(filled)} of the {nbytes(memory.available)} that there are.",
        value=filled,
        threshold=_NEAR,
        bound=None,
        where="memory",
        advice="split the batch and accumulate gradients, or recompute activations",
        check=recheck(profile),
    )
