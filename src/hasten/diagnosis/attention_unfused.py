"""S10: attention takes the long way.

Signal: a softmax between batched products, with no fused attention (the probe fused_attention times both on the shapes
found).
Threshold: the fused kernel must make the step at least 5 % faster.
Source: gpuprof.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity

_EXPLAINS_FROM = 0.5  # of the time: then it is why the step as a whole is slow


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where fused attention would pay."""
    if profile.operators is None:
        return Abstained(symptom="attention_unfused", reason="the operators of the step were not timed")
    names = {one.name for one in profile.operators}
    if "aten._softmax" not in names or "aten.bmm" not in names:
        return None
    probe = profile.probe("fused_attention")
    if probe is None or probe.ratio is None:
        return Abstained(symptom="attention_unfused", reason="the probe fused_attention was not run")
    if 1 - 1 / probe.ratio.low < MATTERS:
        return None
    spent = sum(one.seconds for one in profile.operators if one.name in ("aten.bmm", "aten._softmax"))
    share = spent / sum(part.seconds for part in profile.parts)
    return Finding(
        symptom="attention_unfused",
        severity=severity(1 - 1 / probe.ratio.value),
        sentence=f"Attention writes its scores to memory and takes {percent(min(share, 1))} of the time.",
        value=share,
        threshold=MATTERS,
        bound=probe.ratio.high,
        bound_from=probe.name,
        where=probe.detail,
        advice="use torch.nn.functional.scaled_dot_product_attention",
        check=recheck(profile),
        explains=("low_compute_efficiency",) if share >= _EXPLAINS_FROM else (),
    )
