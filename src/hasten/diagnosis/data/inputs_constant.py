"""E10: inputs that carry nothing: not finite, all the same, or constant in training only.

Signal: the numbers that the model gets, by channel of pictures and column of tables, in training and evaluation.
Threshold: one number that is not finite; all of at least 32 samples equal; a channel of color pictures, or 5 % of the
columns, that is constant in training and changes in the evaluation; half of the columns constant, of a table of
numbers. Columns are not compared where the model gets further inputs in a step that no loader gives, nor with points of
at most 4 numbers without targets, at which a function may be drawn. Equal samples are not meant where the model gets
other tensors in the same call, as the edges of a graph whose nodes are all 1.
Why: constant inputs cannot tell samples apart, and weights of columns that only change later were never trained.
Example: a loader that returns zeros where a file is missing; a column that is filled in after the split.
Wrong when: the columns are rare events, such as one-hot categories that the training does not have yet.
Source: Ng 2021, data-centric checks; pandas-profiling and TensorFlow Data Validation (constant, missing values).
"""

from hasten.base.records.data_facts import Part
from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, facts_of, may_be_drawn, wrong
from hasten.diagnosis.rule import Outcome

ENOUGH = 32
ONLY_IN_TRAINING, CONSTANT = 0.05, 0.5
_EXPLAINS = (
    "output_ignores_input",
    "repeated_batches",
    "validation_differs",
    "targets_shuffled",
    "nonfinite",
    "overfit",
    *CONSEQUENCES,
)


def find(health: Health) -> Outcome:
    """Fire where inputs are not finite or do not change."""
    training = facts_of(health).training
    if training is not None and training.inputs is None and _same(training):
        return wrong(
            "inputs_constant",
            f"All {training.samples} inputs that were seen are the same.",
            value=1,
            threshold=1,
            advice="print some inputs: words that the vocabulary does not have all become the same number",
            check=health.command,
            explains=_EXPLAINS,
        )
    if training is None or training.inputs is None:
        return Abstained(symptom="inputs_constant", reason="no inputs of numbers were seen")
    evaluations = facts_of(health).evaluations
    said = _said(training, tuple(one for one in evaluations if not may_be_drawn(one, evaluations)))
    if said is None:
        return None
    sentence, value, threshold, advice, severity = said
    return wrong(
        "inputs_constant",
        sentence,
        value=value,
        threshold=threshold,
        advice=advice,
        check=health.command,
        severity=severity,
        explains=_EXPLAINS,
    )


def _same(training: Part) -> bool:
    """Return whether all samples of tokens are the same."""
    return training.samples >= ENOUGH and training.distinct == 1 < min(training.batch_size, training.elements)


def _said(training: Part, evaluations: tuple[Part, ...]) -> tuple[str, float, float, str, Severity] | None:
    inputs = training.inputs
    assert inputs is not None, "asked only where there are some"
    if inputs.nonfinite:
        return (
            f"{inputs.nonfinite:.2g} of the inputs are NaN or infinite.",
            inputs.nonfinite,
            0,
            "fill or drop missing values before training: torch.nan_to_num, or the mean of the column",
            Severity.CRITICAL,
        )
    if training.described < ENOUGH:
        return None
    point = training.batch_size == 1 and training.whole is None  # of its own beside the data, as on a boundary
    if not (point or training.beside) and (
        (training.samples >= ENOUGH and training.distinct == 1) or inputs.low == inputs.high
    ):
        return (
            f"All {training.samples} inputs that were seen are the same.",
            1,
            1,
            "look at what reads a sample: it does not depend on its index",
            Severity.CRITICAL,
        )
    if training.several:  # a column that is constant in one call, as the time at the start, changes in another
        return None
    total = len(training.changes)
    only = max((_only_in_training(training, part) for part in evaluations), default=0)
    kind = "channels" if training.pictures else "columns"
    if total > 1 and only / total >= ONLY_IN_TRAINING:
        return (
            f"{only} of {total} {kind} are constant in training and change in the evaluation.",
            only / total,
            ONLY_IN_TRAINING,
            "look at what fills these columns: training and evaluation must go through the same steps",
            Severity.CRITICAL,
        )
    constant = sum(not one for one in training.changes)
    if constant == total and training.distinct > 1:  # only those that came first are the same
        return None
    if total in (3, 4) and training.pictures and 0 < constant < total:
        return (
            f"{constant} of {total} channels of the pictures never change.",
            constant / total,
            0,
            "look at how the pictures are read",
            Severity.WARNING,
        )
    if training.pictures or not 4 <= total <= _TABLE or training.described < 2 * total:
        return None
    if constant / total >= CONSTANT and inputs.zeros - constant / total < _SPARSE:
        return (
            f"{constant} of {total} columns are the same in all samples.",
            constant / total,
            CONSTANT,
            "look at what fills these columns; drop them if they are meant to be constant",
            Severity.WARNING,
        )
    return None


def _only_in_training(training: Part, part: Part) -> int:
    """Return how many columns never change in training, though they would by what the evaluation shows."""
    if len(part.changes) != len(training.changes) or part.described < ENOUGH:
        return 0
    pairs = zip(training.changes, part.changes, strict=True)
    return sum(not here and there * min(training.described, training.distinct) >= _EXPECTED for here, there in pairs)


_EXPECTED = 10  # changes in training, by the share of changes in the evaluation
_TABLE = 200  # columns of a table; more are pixels or words
_SPARSE = 0.2  # share of zeros elsewhere, from which on columns are taken for counts or categories
