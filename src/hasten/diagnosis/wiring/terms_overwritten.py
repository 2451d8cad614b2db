"""W60: of numbers that each block gives for the loss, only those of the last block are used.

Signal: what at least three modules of one class return in the first steps: one number for each sample, or one for all,
    beside an output that the next one takes; and which of these numbers are in the graph of the loss.
Threshold: none: that of the last module is there, and no other.
Why: a sum over all blocks was meant; a block whose part is missing is not paid for what it does.
Example: `for layer in self.layers: x, log_det = layer(x)` in a normalizing flow, without `log_det_sum += log_det`; the
    same of a loss that balances the experts of each block.
Wrong when: the number of the last block stands for all, as the one that it adds to those before by itself.
Source: Dinh et al. 2017, arXiv:1605.08803, section 3.2 (log-determinants of composed layers add up).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where the numbers of all blocks but the last are dropped."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="terms_overwritten", reason="no graph of a loss was seen")
    if seen.dropped is None:
        return None
    kind, count = seen.dropped
    return Finding(
        symptom="terms_overwritten",
        severity=Severity.CRITICAL,
        sentence=f"Of the numbers that {count + 1} blocks of {kind} give, the loss uses those of the last one only.",
        value=count,
        threshold=0,
        bound=None,
        where=kind,
        advice="add them up: total = total + number, where number = ... replaces the one before",
        check=health.command,
        explains=("diverging", "not_learning", "loss_spikes", "weight_growth", "layer_imbalance"),
    )
