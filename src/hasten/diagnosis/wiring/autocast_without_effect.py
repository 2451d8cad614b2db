"""W17: autocast has no effect on the model.

Signal: autocast contexts that are enabled, and whether any call of a model runs under one or contains one.
Threshold: none: 3 contexts or more, and no call.
Why: the products run in float32, as slowly as before; only what stands in the context is cast.
Example: `output = model(x)` before `with torch.autocast("cuda"): loss = criterion(output, y)`.
Wrong when: the model computes by functions of its own and no module is called.
Source: torch's documentation of automatic mixed precision (autocast wraps the forward pass and the loss).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome

_FEW = 3


def find(health: Health) -> Outcome:
    """Fire where autocast is entered and no model runs under it."""
    entered = health.wiring.autocast if health.wiring is not None else {}
    if not entered.get("outside") and not entered.get("inside"):
        return Abstained(symptom="autocast_without_effect", reason="the training does not use autocast")
    if entered["outside"] < _FEW or entered["calls"] or entered["inside"]:
        return None
    return Finding(
        symptom="autocast_without_effect",
        severity=Severity.WARNING,
        sentence=f"No model was called under any of {plural(entered['outside'], 'autocast context')}.",
        value=0,
        threshold=1,
        bound=None,
        advice="with torch.autocast(device): output = model(x); loss = criterion(output, y)",
        check=health.command,
    )
