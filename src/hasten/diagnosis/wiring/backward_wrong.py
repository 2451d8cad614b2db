"""W33: the backward pass of an own `torch.autograd.Function` is not the derivative of its forward pass.

Signal: gradients of the function for what the model gives it, against differences of its outputs, in float64.
Threshold: a tenth of the gradient that is no multiple of the measured derivatives, over the numbers that change the
    output. Gradients that are reversed, scaled, or made up where nothing changes do not count.
Why: every layer before it learns in a wrong direction.
Example: `return grad * (s * (1 - s))` for x * sigmoid(x), whose derivative is s + x * s * (1 - s).
Wrong when: another gradient than the derivative is wanted, as a smoother one.
Source: documentation of torch.autograd.gradcheck.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import probed

_DEVIATION = 0.1


def find(health: Health) -> Outcome:
    """Fire where a function's gradient is another one than its derivative."""
    probes = probed(health, "backward_wrong")
    if isinstance(probes, Abstained):
        return probes
    functions = {name: value for one in probes for name, value in one.backwards.items()}
    if not functions:
        return Abstained(symptom="backward_wrong", reason="the model has no torch.autograd.Function of its own")
    name, worst = max(functions.items(), key=lambda pair: pair[1])
    if worst < _DEVIATION:
        return None
    return Finding(
        symptom="backward_wrong",
        severity=Severity.CRITICAL,
        sentence=f"{percent(worst)} of the gradient of {name} is not the derivative of its forward pass.",
        value=worst,
        threshold=_DEVIATION,
        bound=None,
        where=name,
        advice=f"torch.autograd.gradcheck({name}.apply, inputs in float64)  # says which derivative is wrong",
        check=health.command,
        explains=(
            "not_learning", "slow_convergence", "plateau", "vanishing_gradient", "exploding_gradient", "diverging",
            "direction_zigzag", "loss_oscillates", "gradient_zero",
        ),
    )  # fmt: skip
