"""S4: what a step costs whatever its size: Python and the launching of operators.

Signal: on a GPU, steps at whose end the device has run out of work. On the CPU, what the doubled-batch probe shows: a
step of twice the samples that takes less than twice the time has a part that does not grow with them.
Threshold: half of the steps; surely (the lower end of the interval) 30 % of the time of a step.
Source: tuning playbook (double the batch); HTA (host wait); XProf (kernel launch 3 and 15 %).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.interval import Interval
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

_EMPTY = 0.5
_FIXED = 0.3


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where the step is mostly overhead."""
    return _on_cpu(profile) if profile.on_host else _on_gpu(profile)


def fixed_share(profile: Profile) -> Interval | None:
    """Return the share of the wall time that forward and backward pass cost whatever the batch, or None if unknown."""
    probe = profile.probe("doubled_batch")
    if probe is None or probe.ratio is None:
        return None
    computing = profile.share(*COMPUTE)

    def share(ratio: float) -> float:
        return computing * min(max(2 - 2 / ratio, 0.0), 1.0)  # t(B) = a + b B; the ratio is 2 t(B) / t(2B)

    ratio = probe.ratio
    return Interval(value=share(ratio.value), low=share(ratio.low), high=share(ratio.high), n=ratio.n)


def _on_cpu(profile: Profile) -> Outcome:
    fixed = fixed_share(profile)
    if fixed is None:
        return Abstained(symptom="host_bound", reason="the probe doubled_batch was not run")
    if fixed.low < _FIXED:
        return None
    sentence = f"{percent(fixed.value)} of the time is overhead that does not grow with the batch."
    return _finding(profile, sentence, fixed.value, _FIXED)


def _on_gpu(profile: Profile) -> Outcome:
    empty = profile.structure.queue_empty_share if profile.structure is not None else None
    if empty is None:
        return Abstained(symptom="host_bound", reason="it was not looked at whether the device runs out of work")
    if empty <= _EMPTY:
        return None
    sentence = f"Python feeds the device too slowly: it runs out of work in {percent(empty)} of the steps."
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
        advice="compile the model, or use a larger batch",
        check=recheck(profile),
        explains=("small_kernels", "low_compute_efficiency", "memory_headroom", "precision_unused"),
    )
