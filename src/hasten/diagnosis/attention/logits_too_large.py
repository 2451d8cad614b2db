"""T6: the logits of attention are too large.

Signal: range of the logits over the visible keys, median over the queries of a training batch, for each layer.
Threshold: 50: all keys but one have a weight below 2e-22. Healthy models stay below 20.
Why: the softmax is at its limit, gradients vanish or jump, and half precision overflows.
Example: queries and keys whose norms grow with a large learning rate.
Wrong when: attention is meant to be hard.
Source: Dehghani et al. 2023, arXiv:2302.05442 (logits above 50 before divergence, normalized queries and keys);
    Wortsman et al. 2023, arXiv:2309.14322.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import names, seen
from hasten.diagnosis.rule import Outcome

LARGE = 50.0


def find(health: Health) -> Outcome:
    """Fire where logits range so far that the softmax is at its limit."""
    facts = seen(health, "logits_too_large")
    if isinstance(facts, Abstained):
        return facts
    large = [layer for layer in facts.layers if (layer.widest or 0.0) > LARGE]
    if not large:
        return None
    widest = max(layer.widest or 0.0 for layer in large)
    return Finding(
        symptom="logits_too_large",
        severity=Severity.WARNING,
        sentence=f"The logits of {len(large)} of {len(facts.layers)} attention layers range over {widest:.0f}.",
        value=widest,
        threshold=LARGE,
        bound=None,
        where=names(large),
        advice="normalize queries and keys (nn.RMSNorm) before their product, or lower the learning rate",
        check=health.command,
        explains=("attention_collapsed",),
    )
