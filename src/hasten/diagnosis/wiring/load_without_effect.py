"""W28: loading weights changes nothing.

Signal: calls of `load_state_dict`: the names in the state dict, and whether its tensors are those of the module.
Threshold: none: no name fits, all tensors are the module's own, or half of the matrices have other numbers
    before the module is called.
Why: the weights that were to be loaded, pretrained ones or the best of the training, are not used.
Example: `best = model.state_dict()` without `copy.deepcopy`, which follows the training; `strict=False` with names that
    all begin with "module."; `model.apply(init_weights)` after the weights were loaded.
Wrong when: the call is left over and nothing shall be loaded.
Source: torch's tutorial on saving and loading models (deep copy of the best state; strict=False).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Loading
from hasten.diagnosis.rule import Outcome

REPLACED = 0.5


def find(health: Health) -> Outcome:
    """Fire where a state dict has nothing new for its module."""
    loadings = () if health.wiring is None else health.wiring.loadings
    if not loadings:
        return Abstained(symptom="load_without_effect", reason="no state dict was loaded")
    found = next((one for one in loadings if one.itself or not one.known or one.replaced >= REPLACED), None)
    if found is None:
        return None
    if not found.itself and found.known:
        return _finding(
            health,
            found,
            f"{found.replaced:.0%} of the matrices that {found.model} loaded were replaced before it was called.",
            "load the weights after everything that initializes: model.apply(init), reset_parameters()",
        )
    sentence, advice = (
        (
            "load_state_dict was given the model's own tensors, which follow the training: it changes nothing.",
            "best = copy.deepcopy(model.state_dict())",
        )
        if found.itself
        else (
            f"load_state_dict(strict=False) loaded none of {found.given} tensors: the model has no {found.first}.",
            f'{{name.removeprefix("module."): one for name, one in state.items()}}  # such as {found.expected}',
        )
    )
    return _finding(health, found, sentence, advice)


def _finding(health: Health, found: Loading, sentence: str, advice: str) -> Finding:
    return Finding(
        symptom="load_without_effect",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=found.known,
        threshold=0,
        bound=None,
        where=found.model,
        advice=advice,
        check=health.command,
        explains=("overfit", "slow_convergence", "initial_loss_off"),
    )
