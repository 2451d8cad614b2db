"""S20: the number of threads is not the best one.

Signal: the probe thread_sweep, and loading processes times threads beside the cores.
Threshold: another number of threads is at least 5 % faster, or threads and workers are 1.5 times the cores.
Source: SageMaker Debugger's Dataloader (200 %); ml-engineering (NUMA).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity

_OVER = 1.5


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where another number of threads would be faster."""
    probe = profile.probe("thread_sweep")
    if probe is not None and probe.ratio is not None:
        if 1 - 1 / probe.ratio.low < MATTERS:
            return None
        return Finding(
            symptom="thread_oversubscription",
            severity=severity(1 - 1 / probe.ratio.value),
            sentence=f"With {probe.detail} a step is {probe.ratio.value:.2f} times as fast.",
            value=probe.ratio.value,
            threshold=1 / (1 - MATTERS),
            bound=probe.ratio.high,
            bound_from=probe.name,
            where="machine",
            advice=f"run with {probe.detail} (torch.set_num_threads, OMP_NUM_THREADS)",
            check=recheck(profile),
            explains=("host_bound",),
        )
    workers = profile.loading.workers if profile.loading is not None else 0
    if (machine.threads + workers) / machine.cores <= _OVER:
        if profile.on_host:
            return Abstained(symptom="thread_oversubscription", reason="the probe thread_sweep was not run")
        return None
    return Finding(
        symptom="thread_oversubscription",
        severity=severity(0.0),
        sentence=f"{machine.threads} threads and {workers} loading processes share {machine.cores} cores.",
        value=(machine.threads + workers) / machine.cores,
        threshold=_OVER,
        bound=None,
        where="machine",
        advice="use as many threads as cores, less those that load",
        check=recheck(profile),
    )
