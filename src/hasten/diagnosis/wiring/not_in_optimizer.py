"""W2: no optimizer holds a trainable parameter.

Signal: the parameters of the model that need gradients and that a loss reaches, against those of all optimizers, by
    identity. A model in evaluation mode of which no optimizer holds anything is left out: a teacher, a fixed network.
Threshold: none: one is enough.
Why: what no optimizer holds is computed with, gets gradients, and never changes.
Example: `model.fc = nn.Linear(512, 10)` after `optimizer = Adam(model.parameters())`: the optimizer has the old layer.
Wrong when: an optimizer that does not exist yet will train it, or it stays as it is on purpose without
    `requires_grad_(False)`, which would save the time of its gradient.
Source: TrainCheck (Jiang et al. 2025, arXiv 2506.14813); guardtower's catalogue of failure modes.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import lacks_updates, leaves, misses, names, stale, trained_models


def find(health: Health) -> Outcome:
    """Fire where a trainable parameter of the model is in no optimizer."""
    lacks = lacks_updates(health, "not_in_optimizer")
    if lacks is not None or health.wiring is None:
        return lacks
    wiring = health.wiring
    lost = misses(wiring)
    if not lost:
        return None
    trainable = sum(one.model is not None and one.trainable for one in leaves(wiring))
    partly = bool(trained_models(wiring)) or not stale(wiring)
    return Finding(
        symptom="not_in_optimizer",
        severity=Severity.CRITICAL,
        sentence=f"No optimizer holds {count(len(lost))} of {count(trainable)} trainable parameters.",
        value=len(lost),
        threshold=0,
        bound=None,
        where=names(lost),
        advice="make the optimizer after the model is final: torch.optim.Adam(model.parameters()), or add_param_group",
        check=health.command,
        explains=(
            *(("foreign_in_optimizer",) if partly else ()),
            "parameter_unchanged", "not_learning", "layer_imbalance", "update_too_small",
        ),
    )  # fmt: skip
