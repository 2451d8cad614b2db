"""W4: the optimizer holds tensors that the model in training does not have.

Signal: tensors of an optimizer that no model called has and no loss reaches, while the model has parameters that no
    optimizer holds.
Threshold: none: one is enough.
Why: the optimizer updates what is no longer used, as after the model or a layer was replaced or copied.
Example: `optimizer = Adam(model.parameters()); model = copy.deepcopy(model)`: the copy trains, the original is updated.
Wrong when: the model is replaced on purpose, and an optimizer of its own follows after the first updates.
Source: TrainCheck (Jiang et al. 2025, arXiv 2506.14813); torch's note on making the optimizer after moving the model.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import lacks_updates, misses, names, stale, trained_models


def find(health: Health) -> Outcome:
    """Fire where an optimizer holds stale tensors in the place of the model's."""
    lacks = lacks_updates(health, "foreign_in_optimizer")
    if lacks is not None or health.wiring is None:
        return lacks
    found, lost = stale(health.wiring), misses(health.wiring)
    if not found or not lost:
        return None
    whole = not trained_models(health.wiring)
    return Finding(
        symptom="foreign_in_optimizer",
        severity=Severity.CRITICAL,
        sentence=f"The optimizer holds {count(len(found))} tensors that the trained model does not have, "
        f"and lacks {count(len(lost))} that it has.",
        value=len(found),
        threshold=0,
        bound=None,
        where=names(lost),
        advice="optimizer = torch.optim.Adam(model.parameters())  # after the model was replaced, copied or loaded",
        check=health.command,
        explains=("not_in_optimizer", "parameter_unchanged", "not_learning", "update_too_small") if whole else (),
    )
