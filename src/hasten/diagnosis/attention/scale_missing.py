"""T11: attention does not divide by the square root of the head size.

Signal: logits over products of queries and keys, on a training batch; the spread of the logits over the visible keys;
    and whether the lengths of queries differ, which normalized ones do not.
Threshold: a factor of 1 (1 %) at a head size of 8 and more, a spread above 1.2 (scaled ones begin at 0.3), and lengths
    that differ by 5 %.
Why: products of d numbers grow with the square root of d, and the softmax goes to its limit.
Example: `scores = q @ k.transpose(-2, -1)` without `/ math.sqrt(d)`.
Wrong when: queries and keys are normalized, or initialized for it, as in T5, whose own classes are left out. So
    are models with recurrent layers: Luong et al. 2015 take the products of their states as they are.
Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.
"""

import math

from hasten.base.records.attention import AttentionLayer
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.attention.facts import names, seen
from hasten.diagnosis.rule import Outcome

LEAST_SIZE, SPREAD, NORMALIZED = 8, 1.2, 0.05


def find(health: Health) -> Outcome:
    """Fire where products of queries and keys are not scaled, and large."""
    facts = seen(health, "scale_missing")
    if isinstance(facts, Abstained):
        return facts
    if facts.recurrent:
        return Abstained(symptom="scale_missing", reason="recurrent states, which tanh bounds, may be queries and keys")
    by_hand = [layer for layer in facts.layers if layer.how != "multi_head_attention" and not layer.library]
    judged = [layer for layer in by_hand if layer.scale is not None and (layer.head_size or 0) >= LEAST_SIZE]
    if by_hand and not judged:
        return Abstained(symptom="scale_missing", reason="the products of queries and keys could not be followed")
    plain = [layer for layer in judged if _is_plain(layer) and (layer.spread or 0.0) > SPREAD]
    if not plain:
        return None
    widest = max(layer.spread or 0.0 for layer in plain)
    return Finding(
        symptom="scale_missing",
        severity=Severity.WARNING,
        sentence=f"{len(plain)} attention layers do not divide by the root of the head size; their logits spread by "
        f"{widest:.1f}.",
        value=widest,
        threshold=SPREAD,
        bound=None,
        where=names(plain),
        advice="scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), or F.scaled_dot_product_attention",
        check=health.command,
        explains=("logits_too_large", "attention_collapsed"),
    )


def _is_plain(layer: AttentionLayer) -> bool:
    """Return whether products are taken as they are, of queries that are not normalized."""
    size, scale = layer.head_size or 1, layer.scale or 0.0
    return abs(scale / math.sqrt(size) - 1) < 0.01 and (layer.uneven or 0.0) > NORMALIZED
