"""S2c: one loader worker does most of the work.

Signal: work of the busiest worker over the mean.
Threshold: 2.5.
Bound: the same work spread over all workers, as far as there are cores for it and for the step.
Source: gpuprof.
"""

import msgspec

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.signals import Loading
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.speed import input_bound

UNTREATED = "the order of the data is its owner's"
"""Why no technique treats it."""

_SKEW = 2.5


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the load of workers is uneven and the model waits for them."""
    loading = profile.loading
    if loading is None:
        return Abstained(symptom="worker_skew", reason="the loader was not run alone")
    if loading.workers < 2:
        return None
    if loading.worker_skew is None:
        return Abstained(symptom="worker_skew", reason="the work of single workers was not measured")
    waiting = input_bound.find(profile, machine)
    if not isinstance(waiting, Finding) or loading.worker_skew <= _SKEW:
        return None
    return msgspec.structs.replace(
        waiting,
        symptom="worker_skew",
        sentence=f"One loader worker does {loading.worker_skew:.1f}x the mean work.",
        bound=_bound(profile, loading, waiting.bound or 1.0, machine),
        value=loading.worker_skew,
        threshold=_SKEW,
        advice="shuffle the data so that expensive samples are spread over workers",
        where="input: one worker",
        explains=("input_bound", "loader_cpu_bound", "io_bound", "step_outliers"),
    )


def _bound(profile: Profile, loading: Loading, free: float, machine: Machine) -> float:
    """Return at most how many times faster the step is once the work is spread; `free` is the gain where data are."""
    step_s, work_s = profile.step_s.value, loading.batch_s * loading.cpu_share
    spread_s = work_s / min(loading.workers, machine.cores)
    shared_s = (work_s + step_s / free) / machine.cores
    return max(step_s / max(step_s / free, spread_s, shared_s), 1.0)
