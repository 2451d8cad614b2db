"""W23: processes that train together no longer hold the same parameters.

Signal: sum and norm of each parameter before the first update and after the updates 1, 2, 3, 5, 10 and 20, left in the
    store of the process group; every process reads those of up to eight others, and waits for none.
Threshold: more than 1e-9 of the norm after each of these updates, between processes that began with the same
    parameters or made their first update by the same gradients.
Why: each process then trains a model of its own on a part of the data, and only the one that saves is kept.
Example: gradients that are not averaged: a model that is not wrapped in `DistributedDataParallel`, or a loss of
    `model.module(x)`.
Wrong when: parameters are averaged less often than every 20 updates on purpose (local SGD).
Source: torch's documentation of DistributedDataParallel (same start, same gradients).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import lacks_updates
from hasten.diagnosis.wiring.replicas import EQUAL

_LOOKS = 2


def find(health: Health) -> Outcome:
    """Fire where no look at the processes found them equal."""
    lacks = lacks_updates(health, "replicas_differ")
    if lacks is not None or health.wiring is None:
        return lacks
    seen = health.wiring.replicas
    if seen is None:
        return Abstained(symptom="replicas_differ", reason="one process trains alone")
    if len(seen.differ) < _LOOKS:
        why = "each process holds a part of the parameters" if seen.sharded else "no other process told its parameters"
        return Abstained(symptom="replicas_differ", reason=why)
    value = min(seen.differ)
    if value <= EQUAL:
        return None
    return Finding(
        symptom="replicas_differ",
        severity=Severity.CRITICAL,
        sentence=f"The parameters of {seen.alike + 1} processes differ by {digits3(seen.differ[-1])} of their norm, "
        f"and did in all {len(seen.differ)} updates looked at.",
        value=value,
        threshold=EQUAL,
        bound=None,
        advice="model = DistributedDataParallel(model)  # and call model(x), not model.module(x)",
        check=health.command,
        explains=("reloaded_differs", "noise_dominated"),
    )
