"""T9: the model does not see the order of its tokens.

Signal: real tokens behind the first one change places, in evaluation mode on a training batch, for attention that sees
    later tokens, too; each output is followed to its new place.
Threshold: a change below 1e-4 of the largest output, as trained and with random weights: a task may not need the order,
    and the model learn so; rounding gives about 1e-6.
Why: attention without positions sees a set: "man bites dog" is "dog bites man".
Example: `nn.TransformerEncoder(layer, 2)(embed(tokens))` without anything added for the positions.
Wrong when: the tokens are a set, and their order means nothing. Attention of one query, which only pools, is left out.
Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import CHANGED, lacks, seen
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where outputs follow their tokens to other places unchanged."""
    facts = seen(health, "positions_unused")
    if isinstance(facts, Abstained):
        return facts
    if facts.order is None:
        return lacks(facts, "positions_unused", "attention is causal, or no tokens were found")
    pools = bool(facts.layers) and all(one.queries == 1 for one in facts.layers)
    if facts.order >= CHANGED or pools:
        return None
    return Finding(
        symptom="positions_unused",
        severity=Severity.WARNING,
        sentence=f"The order of the tokens does not matter to the model: outputs change by {facts.order:.1g}.",
        value=facts.order,
        threshold=CHANGED,
        bound=None,
        where=facts.model,
        advice="add positions: x = self.embed(tokens) + self.position(torch.arange(tokens.shape[1]))",
        check=health.command,
        explains=("gradient_zero", "not_learning"),
    )
