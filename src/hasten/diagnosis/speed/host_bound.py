"""S4: fixed overhead of a step: Python and operator launches.

Signal: on a GPU, the share of steps at whose end its queue is empty. On the CPU, the ablation doubled_batch: a step of
twice the samples that takes less than twice the time has a fixed part.
Threshold: half of the steps; on the CPU 30 % of step time, at the lower end of the interval.
Source: tuning playbook (double the batch); HTA (host wait); XProf (kernel launch 3 and 15 %).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.record import Interval
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

_EMPTY = 0.5
_FIXED = 0.3


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where fixed overhead is a large part of the step."""
    return _on_cpu(profile) if profile.on_host else _on_gpu(profile)


def fixed_share(profile: Profile) -> Interval | None:
    """Return the share of wall time of forward and backward that does not grow with the batch, or None if unknown."""
    ablation = profile.ablation("doubled_batch")
    if ablation is None or ablation.ratio is None:
        return None
    computing = profile.share(*COMPUTE)

    def share(ratio: float) -> float:
        return computing * min(max(2 - 2 / ratio, 0.0), 1.0)  # t(B) = a + b B; the ratio is 2 t(B) / t(2B)

    ratio = ablation.ratio
    return Interval(value=share(ratio.value), low=share(ratio.low), high=share(ratio.high), n=ratio.n)


def _on_cpu(profile: Profile) -> Outcome:
    fixed = fixed_share(profile)
    if fixed is None:
        return Abstained(symptom="host_bound", reason="ablation doubled_batch was not run")
    if fixed.low < _FIXED:
        return None
    sentence = f"{percent(fixed.value)} of step time is fixed overhead, independent of batch size."
    return _finding(profile, sentence, fixed.value, _FIXED)


def _on_gpu(profile: Profile) -> Outcome:
    empty = profile.structure.queue_empty_share if profile.structure is not None else None
    if empty is None:
        return Abstained(symptom="host_bound", reason="the queue of the GPU was not observed")
    if empty <= _EMPTY:
        return None
    sentence = f"Python feeds the GPU too slowly: its queue is empty after {percent(empty)} of the steps."
    return _finding(profile, sentence, empty, _EMPTY)


def _finding(profile: Profile, sentence: str, value: float, threshold: float) -> Finding:
    fixed = fixed_share(profile)
    return Finding(
        symptom="host_bound",
        severity=severity(fixed.value if fixed is not None else value),
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=speedup(fixed.value) if fixed is not None else None,
        bound_from="doubled_batch" if fixed is not None else "",
        where="forward and backward",
        advice="compile the model, or use a larger batch size",
        check=recheck(profile),
        explains=("small_kernels", "low_compute_efficiency", "memory_headroom", "precision_unused"),
    )
