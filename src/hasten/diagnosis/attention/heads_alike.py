"""T5: the heads of a layer are copies.

Signal: correlation between the logits of each two heads of a layer, centered over the visible keys, on one batch.
Threshold: 1 but for rounding (1e-5), for all pairs of a layer whose logits are not uniform. Independent heads have
    about 0; heads that learned to look for the same few tokens have 0.999.
Why: several heads do the work of one, and stay alike, since their gradients are alike.
Example: heads that share one projection, or weights that are initialized with a constant.
Wrong when: queries and keys are shared on purpose, and only the values differ.
Source: DEFault++ (head similarity), 2026; Michel et al. 2019, arXiv:1905.10650.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import names, seen
from hasten.diagnosis.rule import Outcome

ALIKE, FLAT = 1 - 1e-5, 1e-3


def find(health: Health) -> Outcome:
    """Fire where all heads of a layer have the same logits."""
    facts = seen(health, "heads_alike")
    if isinstance(facts, Abstained):
        return facts
    judged = [layer for layer in facts.layers if layer.alike is not None and (layer.spread or 0.0) >= FLAT]
    if not judged:
        return Abstained(symptom="heads_alike", reason="no layer with several heads and uneven logits was seen")
    alike = [layer for layer in judged if (layer.alike or 0.0) > ALIKE]
    if not alike:
        return None
    most = max(layer.alike or 0.0 for layer in alike)
    return Finding(
        symptom="heads_alike",
        severity=Severity.WARNING,
        sentence=f"All heads of {len(alike)} of {len(judged)} attention layers attend alike (correlation {most:.5f}).",
        value=most,
        threshold=ALIKE,
        bound=None,
        where=names(alike),
        advice="give each head its own projection, initialized at random",
        check=health.command,
    )
