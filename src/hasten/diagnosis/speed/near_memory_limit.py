"""M1: the step nearly runs out of memory.

Signal: peak over available memory; on a GPU also how often its allocator had to free its cache and retry in the step.
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
    """Fire where the peak leaves little memory free."""
    memory = profile.memory
    if memory is None:
        return Abstained(symptom="near_memory_limit", reason="memory was not measured")
    filled = memory.measured_peak / memory.available
    if filled < _NEAR and not memory.retries:
        return None
    retried = "" if not memory.retries else "; the allocator had to free its cache and retry"
    return Finding(
        symptom="near_memory_limit",
        severity=Severity.CRITICAL if filled >= _CRITICAL or memory.retries else Severity.WARNING,
        sentence=f"A step uses {percent(filled)} of {nbytes(memory.available)} available memory{retried}.",
        value=filled,
        threshold=_NEAR,
        bound=None,
        where="memory",
        advice="use gradient accumulation with smaller micro-batches, or activation checkpointing",
        check=recheck(profile),
    )
