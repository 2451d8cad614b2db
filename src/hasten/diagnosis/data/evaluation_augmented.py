"""E26: the samples of the evaluation are changed at random, as those of the training are.

Signal: fingerprints of the samples of an evaluation that reads a data set of labelled samples, over several passes.
Threshold: 1.5 different samples for each one that the data set holds, after two passes; the training's change, too.
Why: each evaluation measures other samples, harder than real ones: its numbers are worse, and they vary from one to
the next.
Example: two subsets of one data set, whose `transform` augments; the training's transform given to both data sets.
Wrong when: the evaluation averages over augmentations on purpose.
Source: Shorten and Khoshgoftaar 2019, section on test-time augmentation.
"""

from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.rule import Outcome

PASSES, DIFFERENT = 2, 1.5
_ENOUGH = 32  # samples


def find(health: Health) -> Outcome:
    """Fire where the evaluation's samples are others in each pass."""
    facts = facts_of(health)
    parts = [one for one in facts.evaluations if one.whole and one.agreement is not None and one.inputs is not None]
    if facts.training is None or not parts:
        return Abstained(symptom="evaluation_augmented", reason="no evaluation of a data set with labels was seen")
    for part in parts:
        whole = part.whole or 0
        if whole < _ENOUGH or part.samples < PASSES * whole or part.distinct < DIFFERENT * whole:
            continue
        return wrong(
            "evaluation_augmented",
            f"{part.distinct} samples of a data set of {whole} were evaluated: they change from pass to pass.",
            value=part.distinct / whole,
            threshold=DIFFERENT,
            advice="give the evaluation a data set of its own, with a transform that draws nothing at random",
            check=health.command,
            severity=Severity.WARNING,
            explains=("validation_differs", "evaluation_not_deterministic", "overfit"),
        )
    return None
