"""E1: a softmax or sigmoid stands before a loss that contains it.

Signal: in the graph behind the loss, what made the output that `cross_entropy` or `binary_cross_entropy_with_logits`
gets, or that log-probabilities of actions are made of; whether what the model gave to `cross_entropy` are probabilities
that sum to 1.
Threshold: none: one is enough. Attention is never meant, as it does not feed the criterion.
Why: probabilities are between 0 and 1, so the second softmax never gets far from chance, and its gradient is small.
Example: `return F.softmax(self.fc(x), dim=1)` in the model and `nn.CrossEntropyLoss()` in the loop;
`Categorical(logits=probabilities)`.
Wrong when: the outputs are bounded on purpose, as a form of label smoothing. Scaled probabilities do not count.
Source: the documentation of torch.nn.CrossEntropyLoss (unnormalized logits); NeuraLint, rule of repeated activation.
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, call, each_criterion, wrong
from hasten.diagnosis.rule import Outcome

_TWICE = {
    "cross_entropy": ("softmax",),
    "soft_cross_entropy": ("softmax",),
    "bce_logits": ("sigmoid", "softmax"),
}
"""Criterion -> what it computes itself, so that it must not stand before it."""


def find(health: Health) -> Outcome:
    """Fire where a criterion, or a distribution, that takes logits gets probabilities."""
    policy = None if health.wiring is None else health.wiring.policy
    if policy is not None and policy.logits_are_shares:
        return wrong(
            "double_softmax",
            "The distribution of actions takes logits and gets the output of a softmax, so that one is applied twice.",
            value=1,
            threshold=0,
            advice="Categorical(probs=...), or logits from the model",
            check=health.command,
            explains=("bounded_output", *CONSEQUENCES),
        )
    return each_criterion(health, "double_softmax", _judged)


def _judged(one: Criterion, command: str) -> Finding | None:
    twice = one.fed_by in _TWICE.get(one.kind, ())
    if not (twice or one.probabilities) or one.classes == 1:
        return None
    what, advice = f"the output of a {one.fed_by}", f"remove the {one.fed_by} from the end of the model"
    if not twice:
        what, advice = "probabilities, which sum to 1 over the classes", "nll_loss(output.log(), labels)"
    return wrong(
        "double_softmax",
        f"{call(one)} takes logits and gets {what}, so that a softmax is applied twice.",
        value=1,
        threshold=0,
        advice=f"{advice}; apply it only to predict" if twice else f"{advice}  # or logits from the model",
        check=command,
        where=call(one),
        explains=("bounded_output", "wrong_loss_family", *CONSEQUENCES),
    )
