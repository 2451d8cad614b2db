"""W1: no loss reaches what the optimizer trains.

Signal: the leaves of the graphs behind `backward()`, and the gradients at the first updates.
Threshold: none: no trained parameter is reached in any update looked at.
Why: without a path from the loss to the parameters no gradient comes, and `step()` has nothing to do.
Example: `loss = torch.tensor(criterion(model(x), y).item(), requires_grad=True)`, or a training without `backward()`.
Wrong when: the loss first trains something else, and the parameters only later than the first 20 updates.
Source: guardtower's catalogue (detached loss); TrainCheck (Jiang et al. 2025, arXiv 2506.14813).
"""

from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import is_trained, lacks_updates, leaves, misses, reaches_nothing


def find(health: Health) -> Outcome:
    """Fire where no backward pass reaches a trained parameter."""
    lacks = lacks_updates(health, "loss_detached")
    if lacks is not None or health.wiring is None:
        return lacks
    wiring = health.wiring
    if not reaches_nothing(wiring) or misses(wiring):
        return None
    trained = sum(is_trained(one) for one in leaves(wiring))
    if wiring.backwards:
        sentence = f"The loss reaches none of the {plural(trained, 'parameter tensor')} that the optimizer trains."
        advice = "keep the loss a tensor: no .item(), .detach(), .data, torch.tensor(...) or no_grad() on its way"
    else:
        sentence = f"The optimizer makes updates without backward(): {plural(trained, 'parameter tensor')} unchanged."
        advice = "loss.backward()  # before optimizer.step()"
    return Finding(
        symptom="loss_detached",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=0,
        threshold=1,
        bound=None,
        advice=advice,
        check=health.command,
        explains=(
            "parameter_unreached", "parameter_unchanged", "not_in_optimizer", "foreign_in_optimizer",
            "not_learning", "vanishing_gradient", "update_too_small", "plateau", "loss_ignores_target",
        ),
    )  # fmt: skip
