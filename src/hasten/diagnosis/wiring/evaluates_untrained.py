"""W30: the model that is evaluated is not the one that was trained.

Signal: after the last update, calls without gradients of a model of the class of the trained one that no optimizer
    holds; the cosine between the weights of both.
Threshold: below 0.2, where the trained one is never evaluated. Weights that were loaded, averaged or copied are far
    above.
Why: the score is that of random weights.
Example: `model = Net(); model.eval()` in the function that tests, without `model.load_state_dict(torch.load(path))`.
Wrong when: the score of random weights is wanted for comparison.
Source: torch's tutorial on training a classifier (load the saved weights before the test).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_ALIKE = 0.2


def find(health: Health) -> Outcome:
    """Fire where a fresh model is evaluated in place of the trained one."""
    twins = () if health.wiring is None else health.wiring.twins
    if not twins:
        return Abstained(symptom="evaluates_untrained", reason="no second model of the trained class was seen")
    found = next(
        (one for one in twins if not one.while_training and not one.evaluated and abs(one.cosine) < _ALIKE), None
    )
    if found is None:
        return None
    return Finding(
        symptom="evaluates_untrained",
        severity=Severity.CRITICAL,
        sentence=f"The evaluated {found.name} is another one than the trained, and its weights are random.",
        value=found.cosine,
        threshold=_ALIKE,
        bound=None,
        where=found.name,
        advice="model.load_state_dict(torch.load(path))  # or evaluate the model that was trained",
        check=health.command,
        explains=("overfit",),
    )
