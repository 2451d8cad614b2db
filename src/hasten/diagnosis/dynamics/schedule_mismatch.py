"""D26: the learning rate is gone long before the training ends.

Signal: the learning rate of the sampled steps, and the losses until it is gone.
Threshold: below 5 % of its largest value from 60 % of the steps on or earlier, while the loss was still falling, or
    in the first quarter.
Why: the steps that remain change nothing.
Example: `CosineAnnealingLR(optimizer, T_max=100)` in a training of 1,000 steps.
Wrong when: a long tail of tiny steps is wanted, as for averaging.
Source: deep learning tuning playbook (the schedule ends with the training).
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3, percent
from hasten.diagnosis.dynamics.judging import STEPS, abstain, course
from hasten.diagnosis.rule import Outcome

_GONE, _EARLY, _REST, _FELL, _SOON = 0.05, 0.6, 0.1, 0.01, 0.25


def find(health: Health) -> Outcome:
    """Fire where the learning rate is next to nothing for the rest of the training."""
    dynamics = health.dynamics
    missing = abstain("schedule_mismatch", health, samples=16, steps=STEPS)
    if missing is not None or dynamics is None:
        return missing
    pairs = zip(dynamics.samples, dynamics.rates, strict=True)
    rates = [(step, rate) for step, rate in pairs if rate is not None]
    largest = max((rate for _, rate in rates), default=0.0)
    above = [step for step, rate in rates if rate > _GONE * largest]
    if not above or len(above) == len(rates):
        return None
    gone = next(step for step, _ in rates if step > above[-1]) if above[-1] < rates[-1][0] else 0
    losses = course(dynamics.losses)
    if not gone or gone > _EARLY * rates[-1][0] or losses is None:  # another training may follow
        return None
    start = max(losses.first, dynamics.losses[0] or losses.first)
    if losses.last < _REST * start:  # it had done its work
        return None
    share = gone / len(dynamics.losses)
    until = course(dynamics.losses[: gone + 1], blocks=8)
    stopped = until is not None and until.best > (1 - _FELL) * until.blocks[len(until.blocks) // 2]
    if stopped and share > _SOON:  # the loss had stopped before the learning rate had
        return None
    return Finding(
        symptom="schedule_mismatch",
        severity=Severity.WARNING,
        sentence=f"The learning rate fell below {percent(_GONE)} of {digits3(largest)} at step {gone}.",
        value=share,
        threshold=_EARLY,
        bound=None,
        advice=f"make the schedule as long as the training: {len(dynamics.losses)} steps",
        check=health.command,
        explains=("plateau", "slow_convergence", "update_too_small", "not_learning", "schedule_wrong"),
    )
