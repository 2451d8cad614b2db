"""T2: a model that predicts the next token sees it.

Signal: tokens of the second half of each row are exchanged, in evaluation mode on a training batch whose targets are
    its tokens one position later; outputs of the first half are compared.
Threshold: a change of 1e-4 of the largest output; rounding gives about 1e-6.
Why: the target stands in the input, so the loss falls quickly and the model cannot generate.
Example: `F.scaled_dot_product_attention(q, k, v)` without `is_causal=True`, or a mask of the wrong triangle.
Wrong when: the later tokens are given at generation, too, as in infilling.
Source: Karpathy, "A Recipe for Training Neural Networks" (use backprop to chart dependencies).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.attention.facts import CHANGED, lacks, seen
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where later tokens change earlier outputs of a model of the next token."""
    facts = seen(health, "attends_to_future")
    if isinstance(facts, Abstained):
        return facts
    if not facts.next_token:
        return lacks(facts, "attends_to_future", "the targets are not the next tokens")
    if facts.future is None:
        return lacks(facts, "attends_to_future", "the outputs of single positions were not found")
    if facts.future < CHANGED:
        return None
    return Finding(
        symptom="attends_to_future",
        severity=Severity.CRITICAL,
        sentence=f"Outputs change by {percent(facts.future)} when only later tokens change, which are the targets.",
        value=facts.future,
        threshold=CHANGED,
        bound=None,
        where=facts.model,
        advice="mask later positions: is_causal=True, or mask = torch.ones(n, n, dtype=torch.bool).tril()",
        check=health.command,
        explains=("overfit",),
    )
