"""D20: after many steps the loss is still that of a constant output.

Signal: the last third of the losses, against the loss of the best constant output on the targets that were seen.
Threshold: not below 98.5 % of it, beyond twice the standard error, and not falling in the second half; 100 steps, or
    200 where the loss fell from less than 1.5 times that.
Why: a model that learned anything does better than answering the same to everything.
Example: labels that were shuffled apart from their inputs; a learning rate far too small or too large.
Wrong when: the task is one that starts with a long plateau.
Source: SageMaker Debugger (LossNotDecreasing); Karpathy's recipe (input-independent baseline).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import abstain, at_chance, course, median, single, tail
from hasten.diagnosis.rule import Outcome

_STEPS, _LONG = 100, 200
_NEAR = 1.5  # times the loss of a constant output


def find(health: Health) -> Outcome:
    """Fire where the loss is at chance and does not fall."""
    dynamics = health.dynamics
    missing = abstain("not_learning", health, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    criterion = dynamics.criterion
    if criterion is None or criterion.chance is None or not single(dynamics):
        return Abstained(symptom="not_learning", reason="the loss of a constant output is not known")
    half = course(dynamics.losses[len(dynamics.losses) // 2 :], blocks=10)
    if not at_chance(dynamics) or half is None or half.falls:
        return None
    whole = course(dynamics.losses)
    starting = whole is not None and whole.falls and whole.first < _NEAR * criterion.chance
    if starting and len(dynamics.losses) < _LONG:  # it came from a little above chance and may go on
        return None
    value = median(tail(dynamics.losses, 3))
    return Finding(
        symptom="not_learning",
        severity=Severity.CRITICAL,
        sentence=f"After {len(dynamics.losses)} steps the loss is {digits3(value)}; "
        f"a constant output reaches {digits3(criterion.chance)}.",
        value=value,
        threshold=criterion.chance,
        bound=None,
        advice="train on one batch of 8 samples until its loss is 0; if it fails, check labels, loss, learning rate",
        check=health.command,
        explains=("plateau", "slow_convergence", "noise_dominated"),
    )
