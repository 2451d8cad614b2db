"""S14: compute spent on padding.

Signal: share of padding tokens.
Threshold: 20 %.
Source: SageMaker Debugger's NLPSequenceRatio (50 %).
"""

from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.diagnosis.rule import COMPUTE, Outcome, recheck, severity, speedup

_WASTE = 0.2


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where much of each batch is padding."""
    share = profile.structure.padding_share if profile.structure is not None else None
    if share is None:
        return Abstained(symptom="padding_waste", reason="no padded token sequences, or the model packs them")
    if share < _WASTE:
        return None
    recoverable = share * profile.share(*COMPUTE)
    return Finding(
        symptom="padding_waste",
        severity=severity(recoverable),
        sentence=f"{percent(share)} of tokens are padding.",
        value=share,
        threshold=_WASTE,
        bound=speedup(recoverable),
        bound_from="share of the tokens",
        where="input",
        advice="bucket sequences by length, or pack them",
        check=recheck(profile),
    )
