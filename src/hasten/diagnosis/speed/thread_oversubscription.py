"""S20: another number of threads would be faster.

Signal: the ablation thread_sweep, and threads plus loader workers against cores.
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
    ablation = profile.ablation("thread_sweep")
    if ablation is not None and ablation.ratio is not None:
        if 1 - 1 / ablation.ratio.low < MATTERS:
            return None
        return Finding(
            symptom="thread_oversubscription",
            severity=severity(1 - 1 / ablation.ratio.value),
            sentence=f"With {ablation.detail} a step is {ablation.ratio.value:.2f}x faster.",
            value=ablation.ratio.value,
            threshold=1 / (1 - MATTERS),
            bound=ablation.ratio.high,
            bound_from=ablation.name,
            where="machine",
            advice=f"run with {ablation.detail} (torch.set_num_threads, OMP_NUM_THREADS)",
            check=recheck(profile),
            explains=("host_bound",),
        )
    workers = profile.loading.workers if profile.loading is not None else 0
    if (machine.threads + workers) / machine.cores <= _OVER:
        if profile.on_host:
            return Abstained(symptom="thread_oversubscription", reason="ablation thread_sweep was not run")
        return None
    return Finding(
        symptom="thread_oversubscription",
        severity=severity(0.0),
        sentence=f"{machine.threads} threads and {workers} loader workers share {machine.cores} cores.",
        value=(machine.threads + workers) / machine.cores,
        threshold=_OVER,
        bound=None,
        where="machine",
        advice="use as many threads as cores minus loader workers",
        check=recheck(profile),
    )
