"""S14: work on padding.

Signal: share of tokens that only fill sequences up to the longest of their batch.
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
        return Abstained(symptom="padding_waste", reason="the data are not seen to be padded sequences of tokens")
    if share < _WASTE:
        return None
    recoverable = share * profile.share(*COMPUTE)
    return Finding(
        symptom="padding_waste",
        severity=severity(recoverable),
        sentence=f"{percent(share)} of the tokens are padding, and computed for nothing.",
        value=share,
        threshold=_WASTE,
        bound=speedup(recoverable),
        bound_from="share of the tokens",
        where="input",
        advice="batch sequences of like length, or pack them",
        check=recheck(profile),
    )
