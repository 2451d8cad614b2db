"""W3: a parameter that the optimizer trains is not reached by the loss.

Signal: the leaves of the graphs behind the losses, and gradients in the first 20 updates. Left out are experts and
    heads beside others that are used, what the last of several blocks alike makes for a next one, parts of installed
    packages, parameters that are copied from others, and those at whose place in another optimizer of tensors of the
    same shapes, before or after this one, a parameter is reached: an option turns that part off. In a later phase:
    parameters whose module is called, and that get no gradient after the first of 10 updates and more of the newest
    optimizer that holds them.
Threshold: none: one is enough.
Why: without a path from the loss no gradient comes, and the parameter keeps its initial value.
Example: `h = self.encoder(x).detach()`, `torch.no_grad()` around a trained part, or a layer missing in `forward`.
Wrong when: the parameter joins the training later than the updates looked at.
Source: guardtower's catalogue (parameter without gradient); SageMaker Debugger's UnchangedTensor.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import is_trained, lacks_updates, leaves, names, reaches_nothing


def find(health: Health) -> Outcome:
    """Fire where a trained parameter gets no gradient from any loss."""
    lacks = lacks_updates(health, "parameter_unreached")
    if lacks is not None or health.wiring is None:
        return lacks
    trained = [one for one in leaves(health.wiring) if (is_trained(one) or one.cut) and one.model is not None]
    lost = [
        one
        for one in trained
        if (one.reached is False or one.cut) and not (one.alternative or one.spare or one.library) and not one.replaced
    ]
    if not lost or reaches_nothing(health.wiring):
        return None
    used = any(one.called or one.cut for one in lost)
    return Finding(
        symptom="parameter_unreached",
        severity=Severity.CRITICAL if used else Severity.WARNING,
        sentence=f"The loss does not reach {count(len(lost))} of {count(len(trained))} trained parameter tensors"
        + (": cut off from it." if used else ": forward does not use them."),
        value=len(lost),
        threshold=0,
        bound=None,
        where=names(lost),
        advice="remove .detach(), .data or torch.no_grad() between this layer and the loss"
        if used
        else "use the layer in forward, or remove it",
        check=health.command,
        explains=("parameter_unchanged", "vanishing_gradient", "layer_imbalance", "dead_units", "update_too_small"),
    )
