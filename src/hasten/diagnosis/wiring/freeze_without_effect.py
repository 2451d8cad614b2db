"""W49: parameters were to be frozen, or unfrozen, by an attribute that torch does not know.

Signal: plain attributes of the parameters and modules of the models that train.
Threshold: none: an attribute that is spelt like `requires_grad`, or `requires_grad` of a module. It is False beside
    parameters that still need a gradient, or True where none of them needs one.
Why: Python makes a new attribute where the name is new, without an error, and the parameters stay as they were.
Example: `parameter.require_grad = False`; `model.backbone.requires_grad = False` of a module; `require_grad = True` of
    the last block of an encoder that was frozen.
Wrong when: an attribute of that name is the person's own and means something else.
Source: torch's documentation of `Module.requires_grad_` and `Tensor.requires_grad`.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where such an attribute is there."""
    if health.wiring is None or health.wiring.leaves is None:
        return Abstained(symptom="freeze_without_effect", reason="the parameters were not seen")
    frozen, unfrozen = health.wiring.vain_freeze, health.wiring.vain_unfreeze
    found = frozen or unfrozen
    if found is None:
        return None
    where, attribute = found
    value = frozen is None
    effect = "unfreezes nothing: its parameters stay frozen" if value else "freezes nothing: its parameters still train"
    module = attribute == "requires_grad"
    advice = f"{where}.requires_grad_({value})" if module else f"parameter.requires_grad = {value}  # spelt so"
    return Finding(
        symptom="freeze_without_effect",
        severity=Severity.CRITICAL,
        sentence=f"{where}.{attribute} = {value} {effect}.",
        value=1,
        threshold=0,
        bound=None,
        where=where,
        advice=advice,
        check=health.command,
        explains=("overfit", "validation_differs", "update_too_large"),
    )
