"""T4: attention looks at all keys alike.

Signal: standard deviation of the logits of each layer over the visible keys, median over the queries of a batch.
Threshold: below 1e-4: the maps are uniform to four digits. Small initializations give 0.01 and more.
Why: attention has become a mean over all positions: queries or keys do not tell them apart.
Example: queries or keys that are zero, softmax over the wrong dimension, a division by a far too large number.
Wrong when: a layer is initialized with zeros on purpose and was not trained yet.
Source: DEFault++ (attention entropy near ln n), 2026.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import names, seen
from hasten.diagnosis.rule import Outcome

FLAT = 1e-4
FEWEST_KEYS = 4


def find(health: Health) -> Outcome:
    """Fire where the logits of a layer are equal for all keys."""
    facts = seen(health, "attention_uniform")
    if isinstance(facts, Abstained):
        return facts
    judged = [layer for layer in facts.layers if layer.spread is not None and layer.keys >= FEWEST_KEYS]
    if not judged:
        return Abstained(symptom="attention_uniform", reason="no layer has several keys")
    flat = [layer for layer in judged if (layer.spread or 0.0) < FLAT]
    if not flat:
        return None
    least = min(layer.spread or 0.0 for layer in flat)
    return Finding(
        symptom="attention_uniform",
        severity=Severity.CRITICAL,
        sentence=f"{len(flat)} of {len(judged)} attention layers see all keys alike (logits spread by {least:.1g}).",
        value=least,
        threshold=FLAT,
        bound=None,
        where=names(flat),
        advice="check that queries and keys are projected from the tokens, and the dim= of softmax",
        check=health.command,
        explains=("vanishing_gradient", "gradient_zero", *(("parameter_unreached",) if not least else ())),
    )
