"""S21: a known slow habit.

Signal: patterns in the modules and in the operators of the step: a loop that picks samples one by one, a bias before
batch normalization, DataParallel, convolutions whose algorithm is never searched for.
Threshold: the dearest costs at least 1 % of the time.
Source: TorchTidy; TensorBoard plugin.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

_SHARE = 0.01
_EXPLAINS_FROM = 0.2
"""Share of the time from which a habit is the cause of what it makes look slow."""
_MENDING = {
    "loop_indexing": "replace the loop over samples by one operation on the batch",
    "bias_before_norm": "build the layer with bias=False: the normalization removes the bias again",
    "data_parallel": "use DistributedDataParallel, one process per device",
    "no_cudnn_benchmark": "set torch.backends.cudnn.benchmark = True while shapes are fixed",
}


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire with the dearest habit found."""
    if profile.structure is None:
        return Abstained(symptom="static_anti_patterns", reason="the model was not looked at")
    total_s = sum(part.seconds for part in profile.parts)
    dear = [habit for habit in profile.structure.habits if habit.seconds / total_s >= _SHARE]
    if not dear:
        return None
    worst = max(dear, key=lambda habit: habit.seconds)
    share = min(worst.seconds / total_s, profile.share(*COMPUTE))
    return Finding(
        symptom="static_anti_patterns",
        severity=severity(share),
        sentence=f"A slow habit in {worst.where}: {worst.name.replace('_', ' ')}, up to {percent(share)} of the time.",
        value=share,
        threshold=_SHARE,
        bound=speedup(share),
        bound_from="share of the time",
        where=worst.where,
        advice=_MENDING.get(worst.name, ""),
        check=recheck(profile),
        explains=("host_bound", "small_kernels", "low_compute_efficiency") if share >= _EXPLAINS_FROM else (),
    )
