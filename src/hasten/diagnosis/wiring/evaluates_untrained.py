"""W30: the model that is evaluated is not the one that was trained.

Signal: after the last update, calls without gradients of a model of the class of the trained one that no optimizer
    holds; the cosine between the weights of both. Or an average of the trained one that is evaluated in its place: how
    far it went, from its first evaluation on, of the way to the trained weights of the end.
Threshold: a cosine below 0.2, where the trained one is never evaluated. Weights that were loaded, averaged or copied
    are far above. A tenth of the way, after 100 updates and more.
Why: the score is that of random weights.
Example: `model = Net(); model.eval()` in the function that tests, without `model.load_state_dict(torch.load(path))`.
Wrong when: the score of random weights is wanted for comparison.
Source: torch's tutorial on training a classifier (load the saved weights before the test).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Twin
from hasten.base.units import percent, plural
from hasten.diagnosis.rule import Outcome

_ALIKE, _WAY, _UPDATES = 0.2, 0.1, 100


def find(health: Health) -> Outcome:
    """Fire where a fresh model is evaluated in place of the trained one."""
    twins = () if health.wiring is None else health.wiring.twins
    if not twins:
        return Abstained(symptom="evaluates_untrained", reason="no second model of the trained class was seen")
    found = next(
        (one for one in twins if not one.while_training and not one.evaluated and abs(one.cosine) < _ALIKE), None
    )
    average = next(filter(_hardly_moves, twins), None)
    if found is None and average is not None:
        return Finding(
            symptom="evaluates_untrained",
            severity=Severity.CRITICAL,
            sentence=f"The average that is evaluated went {percent(average.way or 0.0)} of the way to the trained "
            f"weights in {plural(average.updates, 'update')}: it is still what it was at the start.",
            value=average.way or 0.0,
            threshold=_WAY,
            bound=None,
            where=average.name,
            advice="decay = min(decay, (1 + updates) / (10 + updates))  # so that the start is soon forgotten",
            check=health.command,
            explains=("overfit",),
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


def _hardly_moves(one: Twin) -> bool:
    """Return whether an average of the trained model is evaluated alone, and follows it too slowly."""
    alone = not one.evaluated and not one.moves_targets and one.evaluating
    return alone and one.changed and one.updates >= _UPDATES and one.way is not None and one.way < _WAY
