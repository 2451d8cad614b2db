"""W18: gradient clipping has no effect, or a wrong one.

Signal: calls of `clip_grad_norm_` and `clip_grad_value_` in the first 12 updates: what they get, and what was done
    before and after them.
Threshold: none, in at least half of the calls.
Why: clipping must see the gradients of the parameters to be updated, at their own size, before the update.
Example: `clip_grad_norm_` before `scaler.unscale_(optimizer)`, after `optimizer.step()`, before `loss.backward()`, or
    of `params = model.parameters()`, an iterator that the optimizer has used up.
Wrong when: the clipping is meant for what another optimizer updates much later.
Source: torch's notes on automatic mixed precision, section on gradient clipping.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_KINDS = {
    "scaled": (
        "before scaler.unscale_: it sees gradients times the scale",
        "scaler.unscale_(optimizer)  # before torch.nn.utils.clip_grad_norm_",
    ),
    "late": (
        "after optimizer.step(): too late for the update",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # between backward() and step()",
    ),
    "empty": (
        "with no gradient to clip",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # after backward(), with the parameters anew",
    ),
    "foreign": (
        "of parameters that the update does not change",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # the parameters of the optimizer",
    ),
    "partial": (
        "with less than half of the tensors that the update changes",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # all of them",
    ),
}


def find(health: Health) -> Outcome:
    """Fire where clipping comes at a wrong place or gets wrong parameters."""
    if health.wiring is None or health.wiring.optimizers is None:
        return Abstained(symptom="clipping_wrong", reason="no update was seen")
    clipping = health.wiring.clipping
    if clipping is None:
        return Abstained(symptom="clipping_wrong", reason="the training does not clip gradients")
    for kind, (what, advice) in _KINDS.items():
        number = getattr(clipping, kind)
        if number >= max(1, clipping.calls / 2):
            return Finding(
                symptom="clipping_wrong",
                severity=Severity.WARNING,
                sentence=f"{number} of {clipping.calls} calls of clipping come {what}.",
                value=number / clipping.calls,
                threshold=0.5,
                bound=None,
                advice=advice,
                check=health.command,
                explains=("clip_dominated", "exploding_gradient", "update_too_small"),
            )
    return None
