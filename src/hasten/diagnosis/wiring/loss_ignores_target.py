"""W14: the loss does not depend on the targets.

Signal: the criterion in the graph behind the first losses: its targets are its own outputs, or the classes that they
    prefer; or the loss is only a mean of several units.
Threshold: none, in both of the first two backward passes, of which the first loss is above a fifth of chance.
Why: a loss that agrees with whatever the model says teaches nothing.
Example: `criterion(output, output.argmax(1))`, `F.mse_loss(output, output.detach())`, `loss = output.mean()`.
Wrong when: the model is almost perfect already, or the mean of the outputs is what shall fall.
Source: guardtower's catalogue (loss independent of the target); DeepCrime's operators on labels.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Criterion
from hasten.diagnosis.rule import Outcome

_SURE = 0.2
_ADVERSARIAL = 3


def find(health: Health) -> Outcome:
    """Fire where the loss has no target of its own."""
    wiring = health.wiring
    if wiring is None or not wiring.criteria:
        return Abstained(symptom="loss_ignores_target", reason="the criterion is not known")
    if wiring.alternations >= _ADVERSARIAL:
        return Abstained(symptom="loss_ignores_target", reason="models train in turn, as in a GAN")
    own = [one for one in wiring.criteria if one.own_target] if _is_unsure(wiring.criteria[0]) else []
    none = [one for one in wiring.criteria if one.no_target]
    if len(own) < min(2, wiring.backwards) and len(none) < min(2, wiring.backwards):
        return None
    sentence = (
        "The targets of the loss are the model's own outputs: it cannot learn from them."
        if own
        else "The loss is a mean of the outputs: no target enters it."
    )
    return Finding(
        symptom="loss_ignores_target",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=0,
        threshold=0,
        bound=None,
        where=(own or none)[0].kind,
        advice="loss = criterion(output, targets)  # the targets of the batch",
        check=health.command,
        explains=(
            "not_learning", "plateau", "vanishing_gradient", "update_too_small", "parameter_unchanged",
            "targets_shuffled", "labels_unfit", "targets_are_inputs", "loss_detached", "weight_growth", "saturated",
            "exploding_gradient", "gradient_zero",
        ),
    )  # fmt: skip


def _is_unsure(one: Criterion) -> bool:
    """Return whether agreement cannot come from a model that is right: its loss is large for that."""
    return one.loss is None or one.chance is None or one.loss > _SURE * one.chance
