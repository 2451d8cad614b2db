"""M5: one kind of tensor takes most of the memory.

Signal: the largest category over the peak.
Threshold: 50 %, where the peak fills half of the available memory.
Source: categories of torch's own memory tracker (`torch.distributed._tools`).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck

_HOG = 0.5
_FILLED = 0.5
_FIXES = {
    "parameters": "store weights in a narrower format, or shard them",
    "gradients": "free gradients during the backward pass, or shard them",
    "optimizer_state": "use an 8-bit optimizer, or shard its state",
    "activations": "use gradient accumulation, activation checkpointing or mixed precision",
    "inputs": "copy smaller types to the device and convert them there",
}


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where memory is scarce and one category dominates."""
    memory = profile.memory
    if memory is None:
        return Abstained(symptom="memory_hog", reason="memory was not measured")
    sizes = {name: int(getattr(memory, name)) for name in _FIXES}
    largest = max(sizes, key=lambda name: sizes[name])
    share = sizes[largest] / memory.measured_peak
    if share <= _HOG or memory.measured_peak < _FILLED * memory.available:
        return None
    return Finding(
        symptom="memory_hog",
        severity=Severity.NOTE,
        sentence=f"{percent(share)} of memory is {largest.replace('_', ' ')}.",
        value=share,
        threshold=_HOG,
        bound=None,
        where=largest,
        advice=_FIXES[largest],
        check=recheck(profile),
    )
