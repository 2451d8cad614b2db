"""E31: reading a sample changes the one that the data set keeps, and the changes add up.

Signal: samples that a data set keeps as real numbers, before and after the loader reads a batch.
Threshold: 8 samples that two readings changed, to what the batch then holds. No change takes the one before back: their
    mean cosine is above -0.2; of noise that is drawn anew it is -0.5.
Why: each pass reads what the pass before left: noise and factors pile up, and the samples are lost.
Example: `x = self.x[i]; x += noise` or `x /= 255` in `__getitem__`, where `x` is a view of the stored array.
Wrong when: samples shall wander off from pass to pass.
Source: PyTorch forum, threads on in-place operations in `Dataset.__getitem__`; numpy's documentation of views.
"""

from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, facts_of, wrong
from hasten.diagnosis.rule import Outcome

FEWEST = 8
"""Samples."""


def find(health: Health) -> Outcome:
    """Fire where reading changes what is stored."""
    facts = facts_of(health)
    if facts.training is None:
        return Abstained(symptom="stored_changes", reason="no samples of a training were seen")
    if facts.changed_by_reading < FEWEST:
        return None
    return wrong(
        "stored_changes",
        f"Reading samples changes the stored ones: {facts.changed_by_reading} were changed twice, and changes add up.",
        value=facts.changed_by_reading,
        threshold=FEWEST,
        advice="x = self.x[i] + noise  # or self.x[i].copy() before x += noise: a new array, not a view",
        check=health.command,
        explains=("validation_differs", "overfit", "inputs_unscaled", *CONSEQUENCES),
    )
