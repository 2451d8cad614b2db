"""W56: updates use gradients that are still multiplied by the scale of a GradScaler.

Signal: losses that a `GradScaler` scaled, and whether `scaler.step(optimizer)` or `scaler.unscale_(optimizer)` comes
    before the update of their gradients.
Threshold: none: 3 updates are enough. Of several optimizers those count whose tensors a scaled loss reaches.
Why: the gradients are thousands of times too large: plain gradient descent diverges, clipping sees wrong norms, and
    updates with infinite gradients are not left out.
Example: `scaler.scale(loss).backward(); optimizer.step()`.
Wrong when: the loop divides the gradients by `scaler.get_scale()` itself.
Source: torch's notes on automatic mixed precision ("Gradient scaling").
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_ENOUGH = 3


def find(health: Health) -> Outcome:
    """Fire where an optimizer gets the gradients of a scaled loss as they are."""
    if health.wiring is None or health.wiring.optimizers is None:
        return Abstained(symptom="gradients_still_scaled", reason="no update was seen")
    found = next((one for one in health.wiring.optimizers if one.still_scaled >= _ENOUGH), None)
    if found is None:
        return None
    return Finding(
        symptom="gradients_still_scaled",
        severity=Severity.CRITICAL,
        sentence=f"{found.still_scaled} updates used gradients that are still multiplied by the loss scale.",
        value=found.still_scaled,
        threshold=_ENOUGH,
        bound=None,
        where=found.name,
        advice="scaler.step(optimizer); scaler.update()  # in the place of optimizer.step()",
        check=health.command,
        explains=(
            "clipping_wrong",
            "update_too_large",
            "exploding_gradient",
            "diverging",
            "nonfinite",
            "loss_spikes",
            "not_learning",
            "gradient_scale",
            "clip_dominated",
            "scaler_skips",
        ),
    )
