"""D30: the training ends after few updates, while the loss is near its start and still falls.

Signal: the losses of a complete training, and of its evaluations where a loop over a range is left by patience.
Threshold: 10 to 50 updates at one learning rate, over which the loss fell by less than 30 %, a tenth of that and more
    in the last quarter, beyond its noise or in nine of ten steps. Or patience ends the loop before its end although
    each of as many evaluations was the best so far and they made the loss a fifth lower; what the loop knows as the
    best must be the last, the first or no loss, so that it is the loss that it watches.
Why: the loss has most of its way before it, whatever else is right.
Example: `for epoch in range(10):` with the whole table in one batch, which are 10 updates; early stopping that counts
    the evaluations that improve.
Wrong when: the run is only a test of the code.
Source: DeepFD (too few epochs, Cao et al. 2022); Humbatova et al. 2020 (wrong number of epochs).
"""

import math
from itertools import pairwise

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent, plural
from hasten.diagnosis.dynamics.judging import course, known, single
from hasten.diagnosis.rule import Outcome

_BETTER, _ALIKE = 0.2, 1e-4
_FEWEST, _STEPS, _FELL, _LATE, _EACH = 10, 50, 0.3, 0.1, 0.9


def find(health: Health) -> Outcome:
    """Fire where a short training creeps to its end."""
    dynamics = health.dynamics
    if dynamics is None or not health.complete:
        return Abstained(symptom="too_few_steps", reason="the training was not seen to its end")
    steps = len(dynamics.losses)
    if steps < _FEWEST:
        return Abstained(symptom="too_few_steps", reason=f"fewer than {_FEWEST} losses were seen")
    fell = _still_falls(dynamics)
    if _is_impatient(health, dynamics):
        assert health.wiring is not None, "the patience was seen"
        patience = health.wiring.patience
        assert patience is not None, "it was seen"
        return Finding(
            symptom="too_few_steps",
            severity=Severity.CRITICAL,
            sentence=f"Early stopping ended the loop {plural(patience.left, 'turn')} before its end, although each of "
            f"the last {patience.limit} evaluations was the best so far.",
            value=patience.limit,
            threshold=patience.limit,
            bound=None,
            advice="if loss < best: best, counter = loss, 0  # else: counter += 1",
            check=health.command,
            explains=("direction_consistent", "slow_convergence"),
        )
    if steps >= _STEPS or not fell:
        return None
    return Finding(
        symptom="too_few_steps",
        severity=Severity.WARNING,
        sentence=f"The training ended after {steps} updates, in which the loss fell by {percent(fell)} "
        "and it still falls.",
        value=steps,
        threshold=_STEPS,
        bound=None,
        advice="train for more epochs, with smaller batches, or at a higher learning rate",
        check=health.command,
        explains=("direction_consistent", "slow_convergence"),
    )


def _is_impatient(health: Health, dynamics: Dynamics) -> bool:
    """Return whether patience ended a training whose evaluations improved all the time."""
    patience = None if health.wiring is None else health.wiring.patience
    losses = known(one.loss for one in dynamics.evaluations)
    if patience is None or patience.left < 1 or not 2 <= patience.limit <= len(losses):
        return False
    before = len(losses) - patience.limit
    best = min(losses[:before], default=math.inf)
    improves = all(other < one for one, other in pairwise([best, *losses[before:]]))
    watched = (losses[0], losses[-2], losses[-1])
    knows = any(
        one is None or any(math.isclose(one, loss, rel_tol=_ALIKE) for loss in watched) for one in patience.best
    )
    return improves and knows and losses[-1] <= (1 - _BETTER) * (best if before else losses[0])


def _still_falls(dynamics: Dynamics) -> float:
    """Return by which share a loss fell that is near its start and falls up to the end, else 0."""
    found, rates, losses = course(dynamics.losses), known(dynamics.rates), known(dynamics.losses)
    if found is None or found.best <= 0 or not rates or not single(dynamics) or min(rates) < 0.5 * max(rates):
        return 0.0
    end = found.blocks[-1]
    late = found.blocks[-max(2, len(found.blocks) // 4)] - end
    steady = sum(one > other for one, other in pairwise(losses)) >= _EACH * (len(losses) - 1)
    fell = 1 - end / found.first
    falls = found.falls and late >= _LATE * (found.first - end) and (steady or late > 4 * found.error)
    return fell if falls and fell < _FELL else 0.0
