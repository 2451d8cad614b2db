"""S8: a faster number format lies idle.

Signal: share of the time in matrix products and convolutions in float32, while this machine multiplies faster in a
narrower format.
Threshold: 20 % of the time, and a measured rate at least 1.3 times that of float32.
Source: TensorBoard plugin (tensor cores unused); XProf (16-bit operations below 10 %); DLProf.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome, recheck, severity, speedup

_SHARE = 0.2
_FASTER = 1.3


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where multiplying in float32 takes long and the machine has something faster."""
    if profile.operators is None:
        return Abstained(symptom="precision_unused", reason="the operators of the step were not timed")
    device = profile.device_kind
    plain = machine.peak("gemm", "float32", device=device)
    narrow = [
        peak
        for form in ("bfloat16", "tf32", "float16")
        if (peak := machine.peak("gemm", form, device=device)) is not None
    ]
    if plain is None or not narrow:
        return Abstained(symptom="precision_unused", reason="the machine's peaks are not measured")
    best = max(narrow, key=lambda peak: peak.rate)
    ratio = best.rate / plain.rate
    total_s = sum(part.seconds for part in profile.parts)
    in_float32 = (one for one in profile.operators if one.is_product and one.number_format == "float32")
    share = min(sum(one.seconds for one in in_float32) / total_s, 1.0)  # operators are timed in other steps
    if share < _SHARE or ratio < _FASTER:
        return None
    recoverable = share * (1 - 1 / ratio)
    return Finding(
        symptom="precision_unused",
        severity=severity(recoverable),
        sentence=f"{percent(share)} of the time multiplies in float32; {best.format} is {ratio:.1f}× as fast here.",
        value=share,
        threshold=_SHARE,
        bound=speedup(recoverable),
        bound_from="measured peaks",
        where="forward and backward",
        advice=f"compute products in {best.format}",
        check=recheck(profile),
    )
