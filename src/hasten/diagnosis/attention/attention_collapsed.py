"""T3: attention looks at one key only.

Signal: entropy of each head's maps on a training batch, over the logarithm of the number of visible keys.
Threshold: below 0.02 in nine of ten heads of the model. Single heads do so in healthy models: they copy.
Why: a softmax at its limit has no gradient, so queries and keys no longer learn.
Example: a learning rate so large that the logits of attention grow without bound.
Wrong when: attention is meant to be hard. Where the loss fell by half and stays low, the model learned where to look.
Source: Zhai et al. 2023, arXiv:2303.06296 (entropy collapse).
"""

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.attention.facts import seen
from hasten.diagnosis.dynamics.judging import course, rises
from hasten.diagnosis.rule import Outcome

LOW, MOST_HEADS = 0.02, 0.9
FEWEST_KEYS = 4
FALLEN = 0.5
"""Last loss over the first, below which attention cannot be what hinders."""


def find(health: Health) -> Outcome:
    """Fire where nearly all heads have hardly any entropy."""
    facts = seen(health, "attention_collapsed")
    if isinstance(facts, Abstained):
        return facts
    entropies = [one for layer in facts.layers if layer.keys >= FEWEST_KEYS for one in layer.entropies]
    if not entropies:
        return Abstained(symptom="attention_collapsed", reason="no layer has several keys")
    share = sum(one < LOW for one in entropies) / len(entropies)
    if share < MOST_HEADS:
        return None
    if health.dynamics is not None and _learned(health.dynamics):
        return Abstained(symptom="attention_collapsed", reason="the loss fell by half: one key may be all that matters")
    return Finding(
        symptom="attention_collapsed",
        severity=Severity.CRITICAL,
        sentence=f"{percent(share)} of the attention heads look at one key only (entropy below {percent(LOW)}).",
        value=share,
        threshold=MOST_HEADS,
        bound=None,
        where=facts.model,
        advice="lower the learning rate, warm it up, or normalize queries and keys before their product",
        check=health.command,
    )


def _learned(dynamics: Dynamics) -> bool:
    """Return whether the loss is half of what it was, and no longer rises."""
    found = course(dynamics.losses)
    return found is not None and found.last < FALLEN * found.first and not rises(dynamics, found)
