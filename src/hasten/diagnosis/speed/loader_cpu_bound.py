"""S2a: the loader is CPU-bound.

Signal: the model waits for data, and the loader run alone keeps its cores busy.
Threshold: 80 % of the time of its processes.
Source: gpuprof and SageMaker Debugger (CPU above 80 to 90 %).
"""

import msgspec

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent, seconds
from hasten.diagnosis.rule import MATTERS, Outcome
from hasten.diagnosis.speed import input_bound

_BUSY = 0.8


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the loader mostly computes."""
    if profile.loading is None:
        return Abstained(symptom="loader_cpu_bound", reason="the loader was not run alone")
    waiting = input_bound.find(profile, machine)
    loading = profile.loading
    busy = loading.cpu_share / max(loading.workers, 1)
    if not isinstance(waiting, Finding) or profile.share("input") < MATTERS or busy < _BUSY:
        return None
    return msgspec.structs.replace(
        waiting,
        symptom="loader_cpu_bound",
        sentence=f"The loader is busy {percent(min(busy, 1))} of its time: {seconds(loading.sample_s)} a sample.",
        value=busy,
        threshold=_BUSY,
        advice="use cheaper transforms, preprocess once, or use more workers",
        explains=(),
    )
