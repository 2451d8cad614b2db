"""W10: the model is evaluated in training mode.

Signal: calls for evaluation with the model and its dropout and batch norm layers in training mode. A call is for
    evaluation if it records no gradients and no backward pass follows on the same batch, or if its data set is not
    one that trains.
Threshold: at least 2 calls, or all of them, and half of all evaluation calls.
Why: dropout disturbs the predictions, and batch norm uses the batch and takes its statistics into the model.
Example: validation with `torch.no_grad()` but without `model.eval()`.
Wrong when: dropout at evaluation is meant and the whole model is in training mode; put only the dropout layers there.
Source: torch's documentation of `Module.eval`; rule L12 of the reference; TrainCheck.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import trained_models

SHARE = 0.5
_ADVERSARIAL = 3


def find(health: Health) -> Outcome:
    """Fire where evaluation calls find layers in training mode."""
    wiring = health.wiring
    if wiring is None or wiring.models is None:
        return Abstained(symptom="train_mode_in_evaluation", reason="no call of a module was seen")
    trained = trained_models(wiring)
    models = [one for index, one in enumerate(wiring.models) if index in trained and one.evaluated]
    if not models:
        return Abstained(symptom="train_mode_in_evaluation", reason="no evaluation was seen")
    if wiring.alternations >= _ADVERSARIAL:
        return Abstained(
            symptom="train_mode_in_evaluation", reason="models train in turn, as in a GAN, and call each other"
        )
    worst = max(models, key=lambda one: one.evaluated_training if one.sensitive else 0)
    if not worst.sensitive or worst.evaluated_training < max(1, SHARE * worst.evaluated):
        return None
    return Finding(
        symptom="train_mode_in_evaluation",
        severity=Severity.CRITICAL,
        sentence=f"{worst.evaluated_training} of {worst.evaluated} evaluation calls were in training mode: "
        f"{worst.sensitive} dropout or batch norm layers.",
        value=worst.evaluated_training / worst.evaluated,
        threshold=SHARE,
        bound=None,
        where=worst.name,
        advice="model.eval()  # before validation; model.train() after it",
        check=health.command,
        explains=("evaluation_not_deterministic", "validation_differs", "evaluation_records_gradients"),
    )
