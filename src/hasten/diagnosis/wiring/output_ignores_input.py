"""W13: the output of the model does not depend on its input.

Signal: a copy of the model with random weights, called with the first batch and with the same numbers at other places.
Threshold: none: all outputs are equal, and not zero.
Why: such a model can only learn one answer for everything.
Example: the input is overwritten in `forward`, or a softmax over a single unit, which is always 1.
Wrong when: the input is a placeholder on purpose.
Source: Karpathy, "A Recipe for Training Neural Networks" (input-independent baseline); guardtower's catalogue.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import name_of_model, probed


def find(health: Health) -> Outcome:
    """Fire where other inputs give the same outputs."""
    probes = probed(health, "output_ignores_input")
    if isinstance(probes, Abstained):
        return probes
    if all(one.ignores_input is None for one in probes):
        return Abstained(symptom="output_ignores_input", reason="the inputs could not be exchanged")
    found = next((one for one in probes if one.ignores_input), None)
    if found is None or health.wiring is None:
        return None
    return Finding(
        symptom="output_ignores_input",
        severity=Severity.CRITICAL,
        sentence="The output is the same for other inputs: nothing in the model passes the input on.",
        value=0,
        threshold=0,
        bound=None,
        where=name_of_model(health.wiring, found.model),
        advice="follow the input through forward: a variable that is overwritten, or a softmax over one unit",
        check=health.command,
        explains=(
            "parameter_unreached", "parameter_unchanged", "not_learning", "plateau", "targets_shuffled", "dead_units",
            "vanishing_gradient", "layer_imbalance", "update_too_small", "double_softmax", "inputs_constant",
            "saturated", "positions_unused", "gradient_zero",
        ),
    )  # fmt: skip
