"""S8: a faster number format is not used.

Signal: share of step time in matmuls and convolutions of float32 operands, while this machine multiplies faster in a
narrower format. What counts is the format that they are multiplied in: cuDNN convolutions use TF32 by default.
Threshold: 20 % of the time, and a measured rate at least 1.3 times that of the format in use.
Source: TensorBoard plugin (tensor cores unused); XProf (16-bit operations below 10 %); DLProf.
"""

from collections import defaultdict
from collections.abc import Sequence

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.signals import Operator
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck, severity, speedup

_SHARE = 0.2
_FASTER = 1.3
_NARROW = ("bfloat16", "tf32", "float16")
_FORMATS = (*_NARROW, "float32", "bf32")


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where products take long and this machine has a faster format for them."""
    if profile.operators is None:
        return Abstained(symptom="precision_unused", reason="operators were not timed")
    device = profile.device_kind
    rates = {form: peak.rate for form in _FORMATS if (peak := machine.peak("gemm", form, device=device)) is not None}
    narrow = {form: rate for form, rate in rates.items() if form in _NARROW}
    total_s = sum(part.seconds for part in profile.parts)
    shares = _grad_seeds(profile.operators, total_s)
    if not narrow or not shares.keys() <= rates.keys():
        return Abstained(symptom="precision_unused", reason="the peaks of this machine are not measured")
    best = max(narrow, key=lambda form: narrow[form])
    faster = {form: share for form, share in shares.items() if narrow[best] >= _FASTER * rates[form]}
    share = min(sum(faster.values()), 1.0)  # operators are timed in other steps
    if share < _SHARE:
        return None
    saved = {form: share * (1 - rates[form] / narrow[best]) for form, share in faster.items()}
    recoverable = min(sum(saved.values()), share)
    main = max(saved, key=lambda form: saved[form])
    return Finding(
        symptom="precision_unused",
        severity=severity(recoverable),
        sentence=f"{percent(share)} of step time is {' and '.join(sorted(faster))} matmul or convolution; "
        f"{best} runs {narrow[best] / rates[main]:.1f}x faster on this machine.",
        value=share,
        threshold=_SHARE,
        bound=speedup(recoverable),
        bound_from="measured peaks",
        where="forward and backward",
        advice=f"use mixed precision in {best}",
        check=recheck(profile),
    )


def _grad_seeds(operators: Sequence[Operator], total_s: float) -> dict[str, float]:
    """Return the share of step time of products with float32 operands, by the format that they are multiplied in."""
    shares: defaultdict[str, float] = defaultdict(float)
    for one in operators:
        if one.is_product and one.number_format == "float32":
            shares[one.multiplies_in] += one.seconds / total_s
    return dict(shares)
