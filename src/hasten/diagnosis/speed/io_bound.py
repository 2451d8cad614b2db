"""S2b: the loader waits for the disk or the network.

Signal: the model waits for data, and the loader run alone leaves its cores idle.
Threshold: idle more than half of the time.
Source: SageMaker Debugger's IOBottleneck; gpuprof (idle CPU beside a starved GPU).
"""

import msgspec

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome
from hasten.diagnosis.speed import input_bound

_IDLE = 0.5


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the loader itself mostly waits."""
    if profile.loading is None:
        return Abstained(symptom="io_bound", reason="the loader was not run alone")
    waiting = input_bound.find(profile, machine)
    idle = 1 - min(profile.loading.cpu_share / max(profile.loading.workers, 1), 1)
    if not isinstance(waiting, Finding) or profile.share("input") < MATTERS or idle <= _IDLE:
        return None
    return msgspec.structs.replace(
        waiting,
        symptom="io_bound",
        sentence=f"The loader waits for disk, network or locks {percent(idle)} of its time.",
        value=idle,
        threshold=_IDLE,
        advice="read larger blocks, keep the data in memory, or use more workers",
        explains=(),
    )
