"""W29: a target network stays as it was at the start.

Signal: a model of the class of the trained one, equal to it at the start, that is called without gradients on inputs of
    its own while the other one trains; its parameters at the first call and at the end.
Threshold: none: they are the same after 100 updates and more of a complete training.
Why: the targets are those of an untrained network, however long the training lasts.
Example: a DQN without `target.load_state_dict(policy.state_dict())` every some hundred steps; a mean teacher whose
    average is never updated.
Wrong when: the first network is a trained one that shall stay as it is.
Source: Mnih et al. 2015 (target network); Nikanjam et al. 2022, Faults in deep reinforcement learning programs (missing
    update of the target network).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome

_UPDATES = 100


def find(health: Health) -> Outcome:
    """Fire where a network that follows another one does not."""
    twins = () if health.wiring is None else health.wiring.twins
    if not twins:
        return Abstained(symptom="target_never_updated", reason="no second model of the trained class was seen")
    if not health.complete:
        return Abstained(symptom="target_never_updated", reason="the training was not seen to its end")
    found = next((one for one in twins if one.follows and not one.changed and one.updates >= _UPDATES), None)
    if found is None:
        return None
    return Finding(
        symptom="target_never_updated",
        severity=Severity.CRITICAL,
        sentence=f"The target network {found.name} has not changed in {plural(found.updates, 'update')} of its twin.",
        value=found.updates,
        threshold=_UPDATES,
        bound=None,
        where=found.name,
        advice="target.load_state_dict(model.state_dict())  # every some hundred updates, or an average in each",
        check=health.command,
        explains=("loss_spikes", "loss_oscillates", "plateau", "not_learning", "diverging"),
    )
