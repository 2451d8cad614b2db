"""E13: samples of the evaluation were trained on.

Signal: fingerprints of the inputs of each evaluation, against those that the same model was trained on before it.
Threshold: one model is evaluated on three equal sets and more, one after the other while it trains, of which the first
was not trained on and nine tenths of each later one was, be it with columns scaled anew; two updates of a model in
evaluation mode by a data set that is not used otherwise, beside another one in training mode; half of the windows of an
evaluation share 6 consecutive steps with the training; 5 % of an evaluation, and 3 times the share of duplicates within
the training data where numbers are few different ones. An evaluation of the training data themselves beside another one
is not meant; without another one it is a note. Inputs of both parts together with a mean of 0 and a standard deviation
of 1, to 0.002 in all columns or 0.03 of windows, where those of the training are off by a tenth and beyond chance.
Why: on those samples the score says what was learned by heart, not what the model can do.
Example: `valid = Subset(data, range(1000))` and `train = data`; windows or patches of one picture in both parts; one
model that is made before the loop over the folds of a cross-validation.
Wrong when: samples are few different values, so that equal ones are no leak. Where a program makes its samples anew all
    the time and some come again, or evaluates others each time, as of a replay buffer, nothing is said.
Source: Kapoor and Narayanan 2023, Leakage and the reproducibility crisis in ML-based science, L1.
"""

from collections.abc import Sequence
from itertools import pairwise

from hasten.base.records.data_facts import DataFacts, Fold, Part
from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.data.scaled_together import scaled_together
from hasten.diagnosis.rule import Outcome

OVERLAP, TIMES, WINDOWS = 0.05, 3.0, 0.5
FOLDS, KNOWN = 3, 0.9
_UNEQUAL = 0.1
_DISTINCT = 0.9  # share of windows that begin differently, below which the series repeats itself
_WHOLE = 0.95
_SAMPLES, _ELEMENTS = 16, 4
_REPEATS = 0.02  # share of samples made anew that were seen before: there are few different ones


def find(health: Health) -> Outcome:
    """Fire where an evaluation has samples of the training."""
    facts = facts_of(health)
    training = facts.training
    if facts.validation_trains > 1:
        return wrong(
            "leak_across_splits",
            f"{facts.validation_trains} updates were made in evaluation mode by a data set that is not used otherwise: "
            "the evaluation trains, too.",
            value=facts.validation_trains,
            threshold=1,
            advice="if phase == 'train': loss.backward(); optimizer.step()",
            check=health.command,
            explains=("eval_mode_in_training", "tiny_validation", "evaluation_records_gradients"),
        )
    if _goes_through(facts.folds):
        return wrong(
            "leak_across_splits",
            f"One model goes on from fold to fold: {facts.folds[-1].known_to_it:.0%} of the samples of fold "
            f"{len(facts.folds)} were trained on in the folds before it.",
            value=facts.folds[-1].known_to_it,
            threshold=KNOWN,
            advice="for train, test in folds.split(x): model, optimizer = new_model()  # within the loop",
            check=health.command,
            explains=("tiny_validation", "schedule_wrong"),
        )
    parts = [part for part in facts.evaluations if part.distinct >= _SAMPLES and not part.same_set]
    if (
        training is not None
        and not parts
        and any(part.same_set and part.overlap >= _WHOLE for part in facts.evaluations)
    ):
        return wrong(
            "leak_across_splits",
            "Only the data set of the training is evaluated: nothing shows how the model does on other data.",
            value=1.0,
            threshold=OVERLAP,
            advice="evaluate a part that is not trained on: torch.utils.data.random_split(data, [0.8, 0.2])",
            check=health.command,
            severity=Severity.NOTE,
            explains=(),
        )
    if training is None or not training.distinct or not parts:
        return Abstained(symptom="leak_across_splits", reason="no evaluation of other samples was seen")
    if training.elements < _ELEMENTS:
        return Abstained(symptom="leak_across_splits", reason="samples of fewer than 4 numbers may be equal by chance")
    if training.size is None and training.distinct < (1 - _REPEATS) * training.samples:
        return Abstained(symptom="leak_across_splits", reason="training samples are made anew, and equal by chance")
    shift = scaled_together(training, facts.evaluations)
    if shift is not None:
        return wrong(
            "leak_across_splits",
            "The inputs were standardized with the numbers of the evaluation, too: all together have a mean of 0 and a "
            f"standard deviation of 1, those of the training alone are {shift:.2f} off.",
            value=shift,
            threshold=0.0,
            advice="mean, std = x_train.mean(0), x_train.std(0)  # for both parts: StandardScaler().fit(x_train)",
            check=health.command,
            severity=Severity.WARNING,
            explains=("validation_differs",),
        )
    duplicates = 1 - training.distinct_in_first_pass / max(1, training.first_pass)
    worst = max((part for part in parts if _leaks(part, facts)), key=lambda part: part.overlap, default=None)
    windows = max((part.shared for part in parts if part.overlap < OVERLAP), default=0.0)
    if worst is None and windows >= WINDOWS and training.distinct_pieces >= _DISTINCT:
        return wrong(
            "leak_across_splits",
            f"{windows:.0%} of the evaluated windows share steps with windows that were trained on.",
            value=windows,
            threshold=WINDOWS,
            advice="split a series by time before it is cut into windows: train_test_split(windows, shuffle=False)",
            check=health.command,
            explains=("tiny_validation",),
        )
    least = OVERLAP if training.continuous else max(OVERLAP, TIMES * duplicates)
    if worst is None or worst.overlap < least:
        return None
    return wrong(
        "leak_across_splits",
        f"{worst.overlap:.0%} of {worst.distinct} evaluated samples were trained on before.",
        value=worst.overlap,
        threshold=least,
        advice="split once, before anything is repeated or augmented, and keep each sample in one part",
        check=health.command,
        explains=("tiny_validation",),
    )


def _goes_through(folds: Sequence[Fold]) -> bool:
    """Return whether sets of one size are the folds of a cross-validation, all but the first known to the model."""
    if len(folds) < FOLDS:
        return False
    sizes = [one.samples for one in folds]
    equal = min(sizes) >= _SAMPLES and max(sizes) - min(sizes) <= max(2, _UNEQUAL * max(sizes))
    first, *later = folds
    return equal and first.known_to_it <= OVERLAP and all(one.known_to_it >= KNOWN for one in later)


def _leaks(part: Part, facts: DataFacts) -> bool:
    """Return whether this is no evaluation of the training data that is made to see how well they are learned."""
    assert facts.training is not None, "asked only where there is one"
    if part.sliced and _WHOLE * facts.training.distinct <= part.overlap * part.distinct < _WHOLE * part.distinct:
        return False  # all there is, whose parts the loop tells apart by itself
    if part.sliced and not part.lives and _is_made_anew(part, facts.evaluations):
        return False
    if part.overlap < _WHOLE:
        return not part.sliced or part.partly > 0
    clean = any(other.overlap < OVERLAP and other.distinct >= _SAMPLES for other in facts.evaluations)
    return (part.lives or not part.sliced) and not clean and part.distinct < 0.9 * facts.training.distinct


def _is_made_anew(part: Part, parts: Sequence[Part]) -> bool:
    """Return whether parts of this size, made for one call each, are of other samples each time.

    What was trained on stays so: the overlap of one set of samples never falls.
    """
    alike = [one.overlap for one in parts if one.sliced and not one.lives and one.distinct == part.distinct]
    return any(later < one for one, later in pairwise(alike))
