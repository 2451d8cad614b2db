"""W34: after a loss that reaches one network, the optimizer of another one makes the update.

Signal: the leaves of the losses since the last update by any optimizer, against the tensors of the optimizer that makes
    the next one.
Threshold: none: none of them is reached, in all of at least 3 updates, while another loss reaches them.
Why: each network is updated by what was left of another loss.
Example: `optimizer_g = Adam(discriminator.parameters())` and the other way round.
Wrong when: gradients of earlier losses are collected for this optimizer on purpose.
Source: Goodfellow et al. 2014, algorithm 1; TrainCheck (Jiang et al. 2025, arXiv 2506.14813).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_UPDATES = 3


def find(health: Health) -> Outcome:
    """Fire where an optimizer is never the one that the loss is for."""
    wiring = health.wiring
    optimizers = (wiring.optimizers if wiring is not None else None) or ()
    if len(optimizers) < 2:
        return Abstained(symptom="loss_of_other_optimizer", reason="fewer than two optimizers were seen")
    found = next((one for one in optimizers if one.judged >= _UPDATES and one.unmet == one.judged), None)
    if found is None:
        return None
    return Finding(
        symptom="loss_of_other_optimizer",
        severity=Severity.CRITICAL,
        sentence=f"In all {found.judged} updates looked at, the loss before reaches no tensor of {found.name}.",
        value=found.unmet,
        threshold=_UPDATES,
        bound=None,
        where=found.name,
        advice="give each optimizer the parameters of the network that its loss is for",
        check=health.command,
        explains=("gradients_not_cleared", "parameter_unreached", "update_missing", "parameter_unchanged"),
    )
