"""W6: a parameter has a gradient, an optimizer holds it, and the update does not change it.

Signal: gradient and change of every parameter in the first two updates, and in up to 20 for those that did not move.
Threshold: none, beyond what the number format can show: the learning rate times the gradient must be above its
    resolution, except in half precision, where small updates are rounded away: half of the numbers of a model in half
    precision that have gradients stay as they were.
Why: a learning rate of 0, gradients cleared before `step()`, or a format too coarse for the update stop the training.
Example: `loss.backward(); optimizer.zero_grad(); optimizer.step()`, or `lr=0` in a parameter group.
Wrong when: the warm-up of the learning rate stays at 0 for more than 20 updates.
Source: TrainCheck (Jiang et al. 2025, arXiv 2506.14813); SageMaker Debugger's UnchangedTensor.
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Leaf
from hasten.base.units import count
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import is_trained, lacks_updates, leaves, names

ROUNDED = 0.5
_FLOAT32 = 1.2e-7


def find(health: Health) -> Outcome:
    """Fire where updates leave trained parameters as they are."""
    lacks = lacks_updates(health, "parameter_unchanged")
    if lacks is not None or health.wiring is None:
        return lacks
    trained = [one for one in leaves(health.wiring) if is_trained(one)]
    cleared = next((one for one in health.wiring.optimizers or () if one.emptied and one.emptied >= one.gaps), None)
    if cleared is not None and not any(one.gradient for one in trained):
        return _finding(
            health,
            trained,
            f"Gradients were cleared between backward() and step() in {cleared.emptied} updates: nothing changes.",
            "optimizer.zero_grad()  # before loss.backward() or after optimizer.step(), not between them",
        )
    still = [one for one in trained if one.gradient and one.moved == 0 and _should_move(one)]
    if not still:
        return _rounded(health, trained)
    share = f"{count(len(still))} of {count(len(trained))} parameter tensors"
    if all(not one.rate for one in still):
        advice = "give the optimizer a learning rate above 0, for every parameter group and from the schedule"
        return _finding(health, still, f"The learning rate is 0 for {share}: they do not change.", advice)
    if any(one.resolution > _FLOAT32 for one in still):
        advice = "keep the parameters in float32 and use torch.autocast for the computation"
        return _finding(health, still, f"Updates of {share} are rounded away in half precision.", advice)
    advice = "optimizer.step() must change its parameters: check the optimizer class, its closure, and the groups"
    return _finding(health, still, f"step() leaves {share} as they are, though they have gradients.", advice)


def _rounded(health: Health, trained: list[Leaf]) -> Finding | None:
    """Return the finding of a model in half precision most of whose numbers an update leaves as they are."""
    half = [one for one in trained if one.gradient and one.rate and one.resolution > 2 * _FLOAT32]
    numbers = sum(one.numel for one in half)
    share = sum(one.rounded * one.numel for one in half) / max(1, numbers)
    if share < ROUNDED:
        return None
    return _finding(
        health,
        half,
        f"Updates of {share:.0%} of the numbers in {len(half)} tensors of half precision are rounded away.",
        "keep the parameters in float32 and use torch.autocast for the computation",
    )


def _should_move(leaf: Leaf) -> bool:
    """Return whether an update of plain gradient descent could be seen in the number format."""
    if not leaf.rate or leaf.resolution > 2 * _FLOAT32:
        return True
    return leaf.rate * (leaf.gradient or 0.0) > 100 * leaf.resolution * leaf.size


def _finding(health: Health, found: list[Leaf], sentence: str, advice: str) -> Finding:
    return Finding(
        symptom="parameter_unchanged",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=len(found),
        threshold=0,
        bound=None,
        where=names(found),
        advice=advice,
        check=health.command,
        explains=("not_learning", "update_too_small", "layer_imbalance", "plateau", "clipping_wrong"),
    )
