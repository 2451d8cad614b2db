"""W2: no optimizer holds a trainable parameter.

Signal: the parameters of the model that need gradients and that a loss reaches, against those of all optimizers, by
    identity; those that were frozen, and get gradients after all optimizers that hold them have made their last update.
    A model in evaluation mode of which no optimizer holds anything is left out: a teacher, a fixed network.
Threshold: none: one is enough. It is a note where an optimizer trains the head alone: the last module of the model, or
    the last ones if the rest is 10 times as large. The rest is then kept as it is on purpose, as of a trained network.
Why: what no optimizer holds is computed with, gets gradients, and never changes.
Example: `model.fc = nn.Linear(512, 10)` after `optimizer = Adam(model.parameters())`: the optimizer has the old layer.
Wrong when: an optimizer that does not exist yet will train it, or a part other than what comes before the head stays as
    it is on purpose, without `requires_grad_(False)`, which would save the time of its gradient.
Source: TrainCheck (Jiang et al. 2025, arXiv 2506.14813); guardtower's catalogue of failure modes.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Leaf, Wiring
from hasten.base.units import count, plural
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import is_trained, lacks_updates, leaves, misses, names, stale, trained_models

_FAR_LARGER, _HEADS = 10, 3


def find(health: Health) -> Outcome:
    """Fire where a trainable parameter of the model is in no optimizer."""
    lacks = lacks_updates(health, "not_in_optimizer")
    if lacks is not None or health.wiring is None:
        return lacks
    wiring = health.wiring
    lost = [] if _trains_through_copies(wiring) else misses(wiring)
    if not lost:
        return None
    head = "" if any(one.unfrozen for one in lost) else _head(wiring, lost)
    if head:
        return Finding(
            symptom="not_in_optimizer",
            severity=Severity.NOTE,
            sentence=f"The optimizer trains {head} alone: {plural(len(lost), 'trainable parameter')} before it "
            f"{'gets' if len(lost) == 1 else 'get'} gradients for nothing.",
            value=len(lost),
            threshold=0,
            bound=None,
            where=names(lost),
            advice="requires_grad_(False)  # for all but the head; or train it: torch.optim.Adam(model.parameters())",
            check=health.command,
        )
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


def _trains_through_copies(wiring: Wiring) -> bool:
    """Return whether the models that are called are copies of one that the optimizer moves, as in meta-learning."""
    moving = [one for one in leaves(wiring) if one.model is None and one.held and one.gradient and one.moved]
    shapes = sorted(one.shape for one in moving)
    known = {one.model for one in leaves(wiring) if one.held}  # one of which the optimizer holds a part lost the rest
    of_models: dict[int, list[tuple[int, ...]]] = {}
    for one in leaves(wiring):
        if one.model is not None and one.model not in known and one.trainable:
            of_models.setdefault(one.model, []).append(one.shape)
    return bool(shapes) and bool(of_models) and all(sorted(own) == shapes for own in of_models.values())


def _head(wiring: Wiring, lost: list[Leaf]) -> str:
    """Return the names of the last modules of the one model if they alone are trained; nothing otherwise."""
    models = {one.model for one in lost}
    whole = [one for one in leaves(wiring) if one.model in models and one.trainable and one.reached is not False]
    held = [one for one in whole if is_trained(one)]
    if len(models) != 1 or not held or not all(map(is_trained, whole[-len(held) :])):
        return ""
    heads = list(dict.fromkeys(one.name.partition(".")[0] for one in held))
    if any(one.name.partition(".")[0] in heads for one in lost):
        return ""
    larger = sum(one.numel for one in lost) >= _FAR_LARGER * sum(one.numel for one in held)
    return ", ".join(heads) if len(heads) == 1 or (larger and len(heads) <= _HEADS) else ""
