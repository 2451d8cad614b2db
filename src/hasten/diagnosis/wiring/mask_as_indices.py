"""W59: a mask of whole numbers picks the samples 0 and 1 over and over.

Signal: the graph of the first losses: as many indices as there are rows, all of them 0 or 1.
Threshold: 16 rows and more, and both numbers among them.
Why: only a mask of booleans picks the rows where it holds; of whole numbers each is the number of a row, so that the
    loss is made of two samples of the batch.
Example: `losses[event]` with events of int64 in the place of `losses[event.bool()]`; a mask that comes from NumPy or
    pandas as 0 and 1.
Wrong when: a table has as many rows as the batch, and only its first two are meant.
Source: NumPy and torch, documentation of indexing by booleans and by integers; Novartis/torchsurv issue 117.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where rows are picked by numbers that are flags of them."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="mask_as_indices", reason="no graph of a loss was seen")
    if not seen.flags:
        return None
    return Finding(
        symptom="mask_as_indices",
        severity=Severity.CRITICAL,
        sentence=f"{seen.flags} whole numbers, all 0 or 1, are the indices of {seen.flags} rows: "
        "only the first two rows are picked, over and over.",
        value=seen.flags,
        threshold=0,
        bound=None,
        advice="losses[mask.bool()], or (losses * mask).sum() / mask.sum()",
        check=health.command,
        explains=(
            "targets_shuffled",
            "not_learning",
            "plateau",
            "slow_convergence",
            "gradient_zero",
            "noise_dominated",
            "loss_oscillates",
            "direction_zigzag",
        ),
    )
