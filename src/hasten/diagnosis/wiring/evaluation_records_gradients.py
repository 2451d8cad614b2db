"""W12: evaluation records gradients.

Signal: calls for evaluation, by mode or by their data set, while gradients are recorded and no backward pass follows.
Threshold: at least half of the evaluation calls, and 5: fewer cost nothing that matters. Calls in evaluation mode whose
    inputs depend on a leaf with a gradient do not count, as of an attack or a saliency map.
Why: the graph costs memory, often more than the model, and time; the results are the same.
Example: a validation loop without `with torch.no_grad():`.
Wrong when: gradients of the parameters are read by `torch.autograd.grad`, as for the Fisher information.
Source: torch's documentation of `torch.no_grad` and `torch.inference_mode`.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import trained_models

SHARE, FEWEST = 0.5, 5


def find(health: Health) -> Outcome:
    """Fire where evaluation calls record gradients."""
    wiring = health.wiring
    if wiring is None or wiring.models is None:
        return Abstained(symptom="evaluation_records_gradients", reason="no call of a module was seen")
    trained = trained_models(wiring)
    models = [one for index, one in enumerate(wiring.models) if index in trained and one.evaluated]
    if not models:
        return Abstained(symptom="evaluation_records_gradients", reason="no evaluation was seen")
    worst = max(models, key=lambda one: one.evaluated_recording)
    if worst.evaluated_recording < max(FEWEST, SHARE * worst.evaluated):
        return None
    return Finding(
        symptom="evaluation_records_gradients",
        severity=Severity.NOTE,
        sentence=f"{worst.evaluated_recording} of {worst.evaluated} evaluation calls record gradients, for nothing.",
        value=worst.evaluated_recording / worst.evaluated,
        threshold=SHARE,
        bound=None,
        where=worst.name,
        advice="with torch.no_grad():  # around the validation loop",
        check=health.command,
    )
