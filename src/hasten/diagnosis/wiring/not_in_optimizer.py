"""W2: no optimizer holds a trainable parameter.

Signal: the parameters of the model that need gradients, against those of all optimizers, by identity.
Threshold: none: one is enough.
Why: what no optimizer holds is computed with, gets gradients, and never changes.
Example: `model.fc = nn.Linear(512, 10)` after `optimizer = Adam(model.parameters())`: the optimizer has the old layer.
Wrong when: an optimizer that has not stepped yet will train it, as one that begins after some epochs.
Source: TrainCheck (Jiang et al. 2025, arXiv 2506.14813); guardtower's catalogue of failure modes.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a trainable parameter of the model is in no optimizer."""
    if health.wiring is None:
        return Abstained(symptom="not_in_optimizer", reason="no update was seen")
    lost = [one for one in health.wiring.leaves if one.in_model and one.trainable and not one.held]
    trainable = sum(one.in_model and one.trainable for one in health.wiring.leaves)
    if not lost:
        return None
    return Finding(
        symptom="not_in_optimizer",
        severity=Severity.CRITICAL,
        sentence=f"No optimizer holds {count(len(lost))} of {count(trainable)} trainable parameters.",
        value=len(lost),
        threshold=0,
        bound=None,
        where=lost[0].name,
        advice="make the optimizer after the model is final: torch.optim.Adam(model.parameters()), or add_param_group",
        check=health.command,
        explains=("parameter_unchanged",),
    )
