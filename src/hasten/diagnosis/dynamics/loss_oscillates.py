"""D24: the loss swings up and down, ever more.

Signal: medians of the losses in 20 blocks: changes of direction, and the size of the swings.
Threshold: direction changes in half of the blocks with swings above 10 % and six standard errors, that in the second
    half are not smaller than in the first, while the loss does not fall.
Why: updates throw the model back and forth.
Example: SGD with momentum 0.999.
Wrong when: tasks alternate, or the learning rate is cyclic.
Source: AutoTrainer (swings of 5 % in a quarter of the epochs); gradsnitch (growing by 1.6).
"""

import numpy as np

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.dynamics.judging import abstain, chases, course, known, single
from hasten.diagnosis.rule import Outcome

_STEPS, _SWING, _SHARE = 100, 0.1, 0.5


def find(health: Health) -> Outcome:
    """Fire on swings that do not get smaller."""
    dynamics = health.dynamics
    missing = abstain("loss_oscillates", health, samples=1, steps=_STEPS)
    if missing is not None or dynamics is None:
        return missing
    rates = known(dynamics.rates)
    if not single(dynamics) or chases(health) or not rates or max(rates[8:] or rates) > 1.2 * rates[-1]:
        reason = "several optimizers, a target network, or a learning rate that changes"
        return Abstained(symptom="loss_oscillates", reason=reason)
    losses = course(dynamics.losses)
    if losses is None or losses.falls or losses.best <= 0:
        return None
    changes = np.diff(losses.blocks)
    turns = np.sign(changes[1:]) != np.sign(changes[:-1])
    large = np.abs(changes) > max(_SWING * losses.best, 6 * losses.error)
    share = float(np.mean(turns & large[1:] & large[:-1]))
    half = len(changes) // 2
    early, late = float(np.abs(changes[:half]).mean()), float(np.abs(changes[half:]).mean())
    if not (share >= _SHARE and late >= early):
        return None
    return Finding(
        symptom="loss_oscillates",
        severity=Severity.WARNING,
        sentence=f"The loss swings by {percent(late / losses.best)} of its lowest level, and the swings do not shrink.",
        value=share,
        threshold=_SHARE,
        bound=None,
        advice="divide the learning rate by 3 or more; momentum=0.9",
        check=health.command,
    )
