"""S21: a known anti-pattern.

Signal: patterns in the modules and in the operators of the step: a loop that picks samples one by one, a bias before
batch normalization, float64, anomaly detection, DataParallel, cuDNN without benchmark mode.
Threshold: the most expensive costs at least 1 % of the time.
Source: TorchTidy; TensorBoard plugin.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

UNTREATED = "in the user's own code"
"""Why no technique treats it."""

_SHARE = 0.01
_EXPLAINS_FROM = 0.2
"""Share of step time from which an anti-pattern explains other findings."""
_FIXES = {
    "loop_indexing": "replace the loop over samples with one operation on the batch",
    "bias_before_norm": "build the layer with bias=False: normalization cancels the bias",
    "double_precision": "compute in float32: model.float(), and float32 data",
    "anomaly_detection": "disable torch.autograd.set_detect_anomaly outside of debugging",
    "data_parallel": "use DistributedDataParallel, one process per device",
    "no_cudnn_benchmark": "set torch.backends.cudnn.benchmark = True while shapes are fixed",
}


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire with the most expensive anti-pattern found."""
    if profile.structure is None:
        return Abstained(symptom="static_anti_patterns", reason="the model was not inspected")
    total_s = sum(part.seconds for part in profile.parts)
    expensive = [habit for habit in profile.structure.habits if habit.seconds / total_s >= _SHARE]
    if not expensive:
        return None
    worst = max(expensive, key=lambda habit: habit.seconds)
    share = min(worst.seconds / total_s, profile.share(*COMPUTE))
    return Finding(
        symptom="static_anti_patterns",
        severity=severity(share),
        sentence=f"Anti-pattern in {worst.where}: {worst.name.replace('_', ' ')}, up to {percent(share)} of step time.",
        value=share,
        threshold=_SHARE,
        bound=speedup(share),
        bound_from="share of the time",
        where=worst.where,
        advice=_FIXES[worst.name],
        check=recheck(profile),
        explains=("host_bound", "small_kernels", "low_compute_efficiency") if share >= _EXPLAINS_FROM else (),
    )
