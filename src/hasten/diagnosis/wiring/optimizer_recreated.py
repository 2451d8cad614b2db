"""W25: a new optimizer is made again and again.

Signal: optimizers that begin without state for tensors that one of the same class has trained before.
Threshold: 2 times for the same tensors; once is a new phase. A time does not count where the tensors were set back to
what an optimizer began with, or have no correlation with what they were, since they were drawn again: a new training.
Why: moments, momentum and the step count for bias correction are lost each time.
Example: `optimizer = Adam(model.parameters())` inside the loop over epochs or batches.
Wrong when: the state is dropped on purpose, as in a restart of every cycle.
Source: Kingma and Ba 2015 (bias correction counts from the first update); torch's documentation of optimizers.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import lacks_updates

TIMES = 2


def find(health: Health) -> Outcome:
    """Fire where the state of an optimizer is lost repeatedly."""
    lacks = lacks_updates(health, "optimizer_recreated")
    if lacks is not None or health.wiring is None:
        return lacks
    times = health.wiring.lost_states
    if times < TIMES:
        return None
    return Finding(
        symptom="optimizer_recreated",
        severity=Severity.WARNING,
        sentence=f"A new optimizer began {plural(times, 'time')} in {plural(health.wiring.updates, 'update')} "
        "without the state of the last one.",
        value=times,
        threshold=TIMES,
        bound=None,
        advice="make the optimizer once, before the loop over epochs",
        check=health.command,
        explains=("schedule_wrong", "loss_spikes", "slow_convergence", "loss_oscillates", "direction_zigzag"),
    )
