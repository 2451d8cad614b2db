"""S10: attention is not fused.

Signal: a softmax between batched matmuls, without fused attention (the ablation fused_attention times both).
Threshold: the fused kernel must make the step at least 5 % faster.
Source: gpuprof.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity

_EXPLAINS_FROM = 0.5  # of step time: then the whole step is slow because of it


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where fused attention would be faster."""
    if profile.operators is None:
        return Abstained(symptom="attention_unfused", reason="operators were not timed")
    names = {one.name for one in profile.operators}
    if "aten._softmax" not in names or "aten.bmm" not in names:
        return None
    ablation = profile.ablation("fused_attention")
    if ablation is None or ablation.ratio is None:
        return Abstained(symptom="attention_unfused", reason="ablation fused_attention was not run")
    if 1 - 1 / ablation.ratio.low < MATTERS:
        return None
    spent = sum(one.seconds for one in profile.operators if one.name in ("aten.bmm", "aten._softmax"))
    share = spent / sum(part.seconds for part in profile.parts)
    return Finding(
        symptom="attention_unfused",
        severity=severity(1 - 1 / ablation.ratio.value),
        sentence=f"Attention is not fused and takes {percent(min(share, 1))} of step time.",
        value=share,
        threshold=MATTERS,
        bound=ablation.ratio.high,
        bound_from=ablation.name,
        where=ablation.detail,
        advice="use torch.nn.functional.scaled_dot_product_attention",
        check=recheck(profile),
        explains=("low_compute_efficiency",) if share >= _EXPLAINS_FROM else (),
    )
