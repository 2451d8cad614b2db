"""W8: losses of accumulated backward passes are not divided by their number.

Signal: updates after several backward passes on batches of one loader, each from a mean loss that nothing scales, and
    gradients that nothing divides before the update. The losses are computed the same way: different ones add up.
Threshold: none: two backward passes or more for each update.
Why: the gradient is then that many times too large, and so is the step of an optimizer that does not normalize it;
    clipping acts on the wrong size.
Example: `criterion(model(x), y).backward()` for 4 batches, then `optimizer.step()`, without `/ 4`.
Wrong when: the learning rate was chosen for the sum.
Source: reference rule G19 of accumulation; the Hugging Face note on gradient accumulation (2024).
"""

from math import isclose

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Accumulation
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where mean losses of several batches are summed."""
    if health.wiring is None or not health.wiring.updates:
        return Abstained(symptom="accumulation_not_divided", reason="no update by an optimizer of torch was seen")
    several = health.wiring.accumulations
    wrong = [one for one in several if _is_sum(one)]
    if len(wrong) < 2 or len(wrong) < len(several) / 2:
        return None
    passes = wrong[0].passes
    return Finding(
        symptom="accumulation_not_divided",
        severity=Severity.WARNING,
        sentence=f"Each update adds {passes} mean losses without dividing: gradients are {passes} times too large.",
        value=passes,
        threshold=1,
        bound=None,
        advice=f"(loss / {passes}).backward()",
        check=health.command,
        explains=("gradient_scale", "exploding_gradient", "update_too_large", "clip_dominated", "loss_oscillates"),
    )


def _is_sum(one: Accumulation) -> bool:
    undivided = all(isclose(scale, 1.0) for scale in one.scales) and isclose(one.divided, 1.0, rel_tol=0.01)
    return one.mean and one.alike and undivided and one.batches >= one.passes
