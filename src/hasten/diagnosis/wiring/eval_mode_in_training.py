"""W9: the model trains in evaluation mode.

Signal: calls whose output a backward pass uses, with the model and all its dropout and batch norm layers in
    evaluation mode, counted by updates.
Threshold: at least 2 updates and 5 % of them, of a model that the optimizer trains.
Why: dropout has no effect, and batch norm uses and keeps statistics that no longer follow the weights.
Example: `model.eval()` for validation after the first epoch, and no `model.train()` before the next one.
Wrong when: fine-tuning keeps the whole model in evaluation mode on purpose.
Source: torch's documentation of `Module.train`; torch-mode rule L12 of the reference; TrainCheck.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import trained_models

SHARE = 0.05


def find(health: Health) -> Outcome:
    """Fire where losses come from calls in evaluation mode."""
    wiring = health.wiring
    if wiring is None or wiring.models is None:
        return Abstained(symptom="eval_mode_in_training", reason="no call of a module was seen")
    trained = trained_models(wiring)
    models = [one for index, one in enumerate(wiring.models) if index in trained and one.sensitive]
    if not models:
        return None
    worst = max(models, key=lambda one: one.trained_evaluation)
    updates = worst.trained_evaluation + worst.trained_training
    if worst.trained_evaluation < max(2, SHARE * updates):
        return None
    return Finding(
        symptom="eval_mode_in_training",
        severity=Severity.CRITICAL,
        sentence=f"The model was in evaluation mode in {worst.trained_evaluation} of {updates} training steps: "
        f"{worst.sensitive} dropout or batch norm layers.",
        value=worst.trained_evaluation / updates,
        threshold=SHARE,
        bound=None,
        where=worst.name,
        advice="model.train()  # at the begin of every epoch, after each validation",
        check=health.command,
        explains=("overfit", "validation_differs", "diverging", "nonfinite", "exploding_gradient"),
    )
