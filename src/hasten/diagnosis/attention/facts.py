"""What several rules of the tier ask of the record."""

from statistics import fmean

from hasten.base.records.attention import AttentionFacts, AttentionLayer
from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health

CHANGED = 1e-4
"""Of the largest output: a change far above the rounding of float32, which is about 1e-6."""
TRAINED = 50
"""Updates before which a layer may still be as it was initialized."""


def seen(health: Health, symptom: str) -> AttentionFacts | Abstained:
    """Return what was seen of attention, or why nothing was."""
    facts = health.attention
    if facts is None:
        return Abstained(symptom=symptom, reason="no attention was seen")
    if not facts.layers:
        return Abstained(symptom=symptom, reason=facts.why or "no attention was seen")
    return facts


def lacks(facts: AttentionFacts, symptom: str, reason: str) -> Abstained:
    """Return that a change of tokens was not measured, with the reason that is known."""
    return Abstained(symptom=symptom, reason=facts.why or reason)


def entropy(layer: AttentionLayer) -> float | None:
    """Return the mean entropy of the heads of a layer, over that of uniform attention."""
    return fmean(layer.entropies) if layer.entropies else None


def names(layers: list[AttentionLayer]) -> str:
    """Return the first layers by name."""
    more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
    return ", ".join(one.name for one in layers[:3]) + more
