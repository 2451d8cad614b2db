"""S9: matmul sizes that do not fit the tiles of the hardware.

Signal: matmuls with a dimension that is not a multiple of 8 (the ablation padded_products times the same ones padded).
Threshold: padding must make the step at least 5 % faster.
Source: TorchTidy; ml-engineering.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity

UNTREATED = "the widths of the model are its owner's"
"""Why no technique treats it."""


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where padded sizes would be faster."""
    if profile.operators is None:
        return Abstained(symptom="misaligned_shapes", reason="operators were not timed")
    if not any(one.misaligned for one in profile.operators):
        return None
    ablation = profile.ablation("padded_products")
    if ablation is None or ablation.ratio is None:
        return Abstained(symptom="misaligned_shapes", reason="ablation padded_products was not run")
    if 1 - 1 / ablation.ratio.low < MATTERS:
        return None
    return Finding(
        symptom="misaligned_shapes",
        severity=severity(1 - 1 / ablation.ratio.value),
        sentence=f"Matmuls of {ablation.detail} are misaligned: no multiples of 8.",
        value=ablation.ratio.value,
        threshold=1 / (1 - MATTERS),
        bound=ablation.ratio.high,
        bound_from=ablation.name,
        where=ablation.detail,
        advice="make layer widths and vocabulary size multiples of 8, better 64",
        check=recheck(profile),
    )
