"""M5: most of the memory goes to one kind of tensor.

Signal: the largest category over the peak.
Threshold: 50 %, where the peak fills half of what is available: before that nobody needs to know.
Source: categories of torch's own memory tracker (`torch.distributed._tools`).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck

_HOG = 0.5
_FILLED = 0.5
_MENDING = {
    "parameters": "store the weights in a narrower format, or shard them",
    "gradients": "free gradients as they are used, or shard them",
    "optimizer_state": "keep the optimizer's state in 8 bits, or shard it",
    "activations": "split the batch, recompute activations, or compute in a narrower format",
    "inputs": "send smaller types to the device and convert them there",
}


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where memory is scarce and one category dominates."""
    memory = profile.memory
    if memory is None:
        return Abstained(symptom="memory_hog", reason="memory was not looked at")
    sizes = {name: int(getattr(memory, name)) for name in _MENDING}
    largest = max(sizes, key=lambda name: sizes[name])
    share = sizes[largest] / memory.measured_peak
    if share <= _HOG or memory.measured_peak < _FILLED * memory.available:
        return None
    return Finding(
        symptom="memory_hog",
        severity=Severity.NOTE,
        sentence=f"{percent(share)} of the memory goes to {largest.replace('_', ' ')}.",
        value=share,
        threshold=_HOG,
        bound=None,
        where=largest,
        advice=_MENDING[largest],
        check=recheck(profile),
    )
