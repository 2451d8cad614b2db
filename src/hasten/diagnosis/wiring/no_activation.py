"""W27: several layers follow each other, and nothing nonlinear is between them.

Signal: the graph of the first losses from the last layer to the data.
Threshold: none: 2 layers and more, only sums, means and products with constants between them, none of the layers
    narrower than its input and its output.
Why: such layers together are one linear layer, and can only learn what that one can.
Example: `F.relu(x)` in a line of its own, where `x = F.relu(x)` is meant.
Wrong when: linear networks are studied on purpose.
Source: NeuraLint (missing activation); DeepCrime's operator that removes activations (Humbatova et al. 2021).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_FEWEST = 2


def find(health: Health) -> Outcome:
    """Fire where a deep model is linear."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="no_activation", reason="no graph of a loss was seen")
    if seen.affine < _FEWEST:
        return None
    return Finding(
        symptom="no_activation",
        severity=Severity.CRITICAL,
        sentence=f"The {seen.affine} layers of the model have no activation between them: together they are linear.",
        value=seen.affine,
        threshold=_FEWEST,
        bound=None,
        advice="x = torch.relu(self.layer(x))  # after each hidden layer; the result of F.relu(x) must be used",
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence"),
    )
