"""W38: all data pass a hidden layer that is too narrow for the classes.

Signal: the graph of the first losses, from the cross-entropy to the data along single inputs; the losses.
Threshold: a layer of one unit before three classes or more; or of less than a quarter as many units as classes, where
    the loss ends above 30 % of that of a constant guess.
Why: one number can only put classes in a row, so most of them can never be the largest.
Example: `nn.Linear(128, 1), nn.ReLU(), nn.Linear(1, 10)`.
Wrong when: classes are to lie on a line or in a plane, as for a drawing of them.
Source: DeepFD (wrong number of neurons, Cao et al. 2022); Humbatova et al. 2020 (layer dimensions).
"""

import math

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.dynamics.judging import course
from hasten.diagnosis.rule import Outcome

_PART, _LEFT = 4, 0.3


def find(health: Health) -> Outcome:
    """Fire where the classes come from too few numbers."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="bottleneck", reason="no graph of a loss was seen")
    if seen.narrow is None:
        return None
    units, classes = seen.narrow
    losses = None if health.dynamics is None else course(health.dynamics.losses)
    stuck = losses is not None and losses.last > _LEFT * math.log(classes)
    if units > 1 and not (_PART * units < classes and stuck):
        return None
    return Finding(
        symptom="bottleneck",
        severity=Severity.WARNING,
        sentence=f"All data pass a hidden layer of {plural(units, 'unit')}, from which {classes} classes are told.",
        value=units,
        threshold=max(2, classes / _PART),
        bound=None,
        advice=f"give each hidden layer at least {classes} units",
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "dead_units", "layer_imbalance", "gradient_zero"),
    )
