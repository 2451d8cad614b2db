"""S17: evaluation and checkpoints take much of the time.

Signal: evaluation and checkpoints, each timed once and spread over the steps between two of them.
Threshold: 10 % of the wall time.
Source: AlgoPerf (untimed evaluations); SageMaker Debugger.
"""

from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.units import percent, seconds
from hasten.diagnosis.rule import Outcome, recheck, severity, speedup

UNTREATED = "how often to evaluate is a setting of the task"
"""Why no technique treats it."""

_SHARE = 0.10


def find(profile: Profile, machine: Machine) -> Outcome:
    """Fire where evaluation or checkpoints take long."""
    share = profile.share("evaluation", "checkpoint")
    if share < _SHARE:
        return None
    evaluation = profile.share("evaluation") >= share / 2
    once = f" ({seconds(profile.evaluation_s)})" if profile.evaluation_s else ""  # a watched loop does not tell
    what = f"evaluation{once}" if evaluation else "checkpoints"
    return Finding(
        symptom="eval_ckpt_overhead",
        severity=severity(share),
        sentence=f"{percent(share)} of wall time is not training, mostly {what}.",
        value=share,
        threshold=_SHARE,
        bound=speedup(share),
        bound_from="share of the time",
        where="evaluation" if evaluation else "checkpoint",
        advice="evaluate less often, on fewer samples, or in larger batches",
        check=recheck(profile),
    )
