"""S9: sizes that do not fit the hardware's tiles.

Signal: matrix products with a dimension that is no multiple of 8 (the probe padded_products times them beside the same
products padded).
Threshold: padding must make the step at least 5 % faster.
Source: TorchTidy; ml-engineering.
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.diagnosis.rule import MATTERS, Outcome, recheck, severity


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where padding would pay."""
    if profile.operators is None:
        return Abstained(symptom="misaligned_shapes", reason="the operators of the step were not timed")
    if not any(one.misaligned for one in profile.operators):
        return None
    probe = profile.probe("padded_products")
    if probe is None or probe.ratio is None:
        return Abstained(symptom="misaligned_shapes", reason="the probe padded_products was not run")
    if 1 - 1 / probe.ratio.low < MATTERS:
        return None
    return Finding(
        symptom="misaligned_shapes",
        severity=severity(1 - 1 / probe.ratio.value),
        sentence=f"Products of {probe.detail} do not fit the tiles of the hardware.",
        value=probe.ratio.value,
        threshold=1 / (1 - MATTERS),
        bound=probe.ratio.high,
        bound_from=probe.name,
        where=probe.detail,
        advice="make layer widths and the vocabulary multiples of 8, better of 64",
        check=recheck(profile),
    )
