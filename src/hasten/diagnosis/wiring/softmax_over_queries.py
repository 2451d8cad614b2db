"""W36: the softmax of attention runs over another dimension than the sum over the values.

Signal: softmaxes in the graph of the first losses whose results are multiplied with values.
Threshold: none.
Why: the weights of a query do not sum to 1, so that a query can be drowned or ignored, and queries compete for keys.
Example: `torch.softmax(q @ k.transpose(1, 2), dim=1) @ v`, where `dim=-1` is meant.
Wrong when: queries shall compete for keys, and no normalization over the keys follows.
Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1; DeepCrime's and DEForm's operators on the axis.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where weights are normalized over another dimension than they are summed over."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="softmax_over_queries", reason="no graph of a loss was seen")
    if seen.softmax is None:
        return None
    return Finding(
        symptom="softmax_over_queries",
        severity=Severity.CRITICAL,
        sentence=f"The softmax of attention weights {seen.softmax} does not run over the keys, which the product sums.",
        value=1,
        threshold=0,
        bound=None,
        advice="torch.softmax(scores, dim=-1)",
        check=health.command,
        explains=("attends_to_future", "attends_to_padding", "attention_uniform", "samples_mixed", "not_learning"),
    )
