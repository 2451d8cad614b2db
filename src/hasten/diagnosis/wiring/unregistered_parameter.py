"""W20: the loss depends on a parameter that the model does not register.

Signal: leaves of the graph behind the loss that are `nn.Parameter`, or attributes of the model, and in neither the
    parameters of a model that is called nor an optimizer.
Threshold: none: one is enough.
Why: `parameters()` and `state_dict()` do not have it: they are never trained,
    saved or moved to a device.
Example: layers in a Python list, `self.layers = [nn.Linear(8, 8)]`, or `self.w = nn.Parameter(w).cuda()`.
Wrong when: the tensor is meant to stay as it is, though it needs gradients.
Source: torch's documentation of `nn.ModuleList` and `nn.ParameterList`.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import lacks_updates, leaves, reaches_nothing


def find(health: Health) -> Outcome:
    """Fire where the loss reaches a parameter outside of every model and optimizer."""
    lacks = lacks_updates(health, "unregistered_parameter")
    if lacks is not None or health.wiring is None:
        return lacks
    everything = leaves(health.wiring)
    if not any(one.model is not None for one in everything) or reaches_nothing(health.wiring):
        return None
    lost = [one for one in everything if one.model is None and one.reached and not one.held and one.parameter]
    if not lost:
        return None
    return Finding(
        symptom="unregistered_parameter",
        severity=Severity.CRITICAL,
        sentence=f"The loss depends on {count(len(lost))} parameter tensors that the model does not register: "
        "never trained, never saved.",
        value=len(lost),
        threshold=0,
        bound=None,
        where=f"shape {list(lost[0].shape)}",
        advice="self.layers = nn.ModuleList(layers)  # or nn.Parameter as an attribute of the module, made in __init__",
        check=health.command,
        explains=("reloaded_differs", "not_learning", "not_in_optimizer", "samples_mixed"),
    )
