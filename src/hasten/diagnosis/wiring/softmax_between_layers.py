"""W37: a softmax stands between two layers.

Signal: the graph of the first losses: a softmax whose input is one layer and whose output enters the next one.
Threshold: none: one is enough. Attention and gates do not count: what they give is multiplied with values, and enters
    no layer by itself.
Why: the numbers of a softmax sum to 1, so each of many units passes on next to nothing, and gradients vanish.
Example: `nn.Linear(784, 64), nn.Softmax(dim=1), nn.Linear(64, 10)`, where a ReLU is meant.
Wrong when: classes are drawn in the middle of a model, as by a discrete code that is decoded.
Source: UMLAUT (softmax in hidden layers, Schoop et al. 2021); NeuraLint (Nikanjam et al. 2021).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a softmax is the activation of a hidden layer."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="softmax_between_layers", reason="no graph of a loss was seen")
    if not seen.softmax_between:
        return None
    return Finding(
        symptom="softmax_between_layers",
        severity=Severity.CRITICAL,
        sentence=f"A softmax over {seen.softmax_between} units is the activation between two layers.",
        value=1,
        threshold=0,
        bound=None,
        advice="use a ReLU between layers; a softmax belongs behind the last one, or into the loss",
        check=health.command,
        explains=(
            "not_learning",
            "plateau",
            "slow_convergence",
            "vanishing_gradient",
            "direction_consistent",
            "update_too_small",
            "layer_imbalance",
            "adam_eps_bound",
            "output_ignores_input",
        ),
    )
