"""W39: batch normalization takes its means over very few numbers.

Signal: the inputs of batch norms in training mode, in the graphs of the first losses.
Threshold: fewer than 4 numbers for each channel.
Why: of two samples a batch norm keeps only which one is larger; and what it learns to expect in evaluation, the mean
    over many batches, is not what it trained with.
Example: `nn.BatchNorm1d` in a model that is trained with `batch_size=2`.
Wrong when: only the first batches are that small.
Source: Wu and He 2018, Group Normalization (error of batch norm at batch sizes of 2 to 4).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_FEWEST = 4


def find(health: Health) -> Outcome:
    """Fire where batch norms see next to no batch."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="norm_batch_tiny", reason="no graph of a loss was seen")
    if seen.norm_numbers is None or seen.norm_numbers >= _FEWEST:
        return None
    return Finding(
        symptom="norm_batch_tiny",
        severity=Severity.CRITICAL,
        sentence=f"Batch norms take the mean of {seen.norm_numbers} numbers for each channel.",
        value=seen.norm_numbers,
        threshold=_FEWEST,
        bound=None,
        advice="batches of 16 samples and more; or nn.GroupNorm or nn.LayerNorm, which need no batch",
        check=health.command,
        explains=(
            "noise_dominated",
            "not_learning",
            "plateau",
            "samples_mixed",
            "overfit",
            "loss_spikes",
            "loss_oscillates",
            "dead_units",
        ),
    )
