"""M4: memory grows with every step.

Signal: slope of the memory in use after each step (Theil-Sen, with its interval).
Threshold: lower end of the interval above zero and more than 100 MB over the planned training; critical from 1 GB, or
where it exceeds the available memory.
Source: TraceML (100 MB, 1 GB); SageMaker Debugger's GPUMemoryIncrease.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import nbytes
from hasten.diagnosis.rule import Outcome, recheck

UNTREATED = "in the user's own code"
"""Why no technique treats it."""

_BYTES, _MANY_BYTES = 100 * 10**6, 10**9
_UNPLANNED_STEPS = 10_000


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where memory leaks."""
    memory = profile.memory
    if memory is None or memory.growth_per_step is None:
        return Abstained(symptom="memory_leak", reason="memory over steps was not measured")
    slope = memory.growth_per_step
    steps = profile.planned_steps or _UNPLANNED_STEPS
    if slope.low <= 0 or slope.low * steps < _BYTES:
        return None
    full = slope.value * steps > memory.available - memory.measured_peak
    return Finding(
        symptom="memory_leak",
        severity=Severity.CRITICAL if full or slope.low * steps >= _MANY_BYTES else Severity.WARNING,
        sentence=f"Memory grows by {nbytes(slope.value)} every step"
        f"{': the training will run out of memory' if full else ''}.",
        value=slope.value,
        threshold=_BYTES / steps,
        bound=None,
        where="memory",
        advice="store loss.item() or loss.detach(), not tensors with their graph",
        check=recheck(profile),
        explains=("memory_headroom", "host_bound"),  # the leak uses the free memory, and new pages take time
    )
