"""What several rules of the wiring ask of the record."""

from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.base.records.wiring import Leaf, Model, Probe, Wiring


def lacks_updates(health: Health, symptom: str) -> Abstained | None:
    """Return why a rule about parameters cannot judge; None where it can."""
    wiring = health.wiring
    if wiring is None or not wiring.updates:
        return Abstained(symptom=symptom, reason="no update by an optimizer of torch was seen")
    if wiring.leaves is None:
        return Abstained(symptom=symptom, reason="the parameters could not be read")
    return None


def leaves(wiring: Wiring) -> tuple[Leaf, ...]:
    """Return the parameters; none where they could not be read."""
    return wiring.leaves or ()


def is_trained(leaf: Leaf) -> bool:
    """Return whether an optimizer holds a parameter that needs gradients."""
    return leaf.held and leaf.trainable


def trained_models(wiring: Wiring) -> set[int | None]:
    """Return the models of which an optimizer holds a trainable parameter."""
    return {one.model for one in leaves(wiring) if is_trained(one) and one.model is not None}


def reaches_nothing(wiring: Wiring) -> bool:
    """Return whether no loss reaches, and no gradient comes to, anything that an optimizer trains."""
    trained = [one for one in leaves(wiring) if is_trained(one)]
    return bool(trained) and not any(one.reached for one in trained)


def misses(wiring: Wiring) -> list[Leaf]:
    """Return the trainable parameters that losses reach and no optimizer holds.

    A model of which no optimizer holds anything counts only in training mode: a teacher or a network that measures
    similarity is in evaluation mode.
    """
    trained = trained_models(wiring)
    models = wiring.models or ()
    return [
        one
        for one in leaves(wiring)
        if one.model is not None
        and one.trainable
        and not one.held
        and one.reached is not False
        and (one.late or one.model in trained or _trains(models, one.model))
    ]


def _trains(models: tuple[Model, ...], index: int) -> bool:
    return index < len(models) and models[index].trained_training > 0


def stale(wiring: Wiring) -> list[Leaf]:
    """Return the tensors that an optimizer trains, no model has, and no loss reaches."""
    return [
        one
        for one in leaves(wiring)
        if is_trained(one) and one.model is None and one.reached is False and one.gradient is None
    ]


def names(found: list[Leaf]) -> str:
    """Return the name of the first parameter that has one."""
    return next((one.name for one in found if one.name), "")


def probed(health: Health, symptom: str) -> tuple[Probe, ...] | Abstained:
    """Return what copies of the trained models gave, or why there is nothing."""
    if health.wiring is None:
        return Abstained(symptom=symptom, reason="no training was seen")
    trained = trained_models(health.wiring)
    probes = [one for one in health.wiring.probes if one.model in trained]
    made = tuple(one for one in probes if not one.why)
    return made or Abstained(symptom=symptom, reason=probes[0].why if probes else "no trained model was called")


def name_of_model(wiring: Wiring, index: int) -> str:
    """Return the class of a model."""
    models = wiring.models or ()
    return models[index].name if index < len(models) else ""
