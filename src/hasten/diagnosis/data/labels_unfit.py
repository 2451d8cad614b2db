"""E6: the labels do not fit the classes of the model, or those of the evaluation.

Signal: the labels of the criterion and of the batches of evaluations, counted by class, against the number of
outputs; the classes that the model says in an evaluation, before and after the best renaming of them.
Threshold: all of at least 64 labels, or of the targets of a regression, are equal; a label of the evaluation was never
trained on; the accuracy is at least twice as high after renaming the classes, and at least 0.9 then, or 0.5 where it
was below chance, of at least 8 samples a class, unless the same labels fit another evaluation; binary targets outside
of 0 to 1; targets other than -1 and 1 of a loss of pairs; any label of a CTC loss that is its blank.
Why: a model cannot learn a class that it is never shown, and a shifted label makes each right answer count as wrong.
Example: training labels from 1 to 10 and validation labels from 0 to 9; targets of -1 and 1 with binary
cross-entropy, and of 0 and 1 with `cosine_embedding_loss`; tokens from 0 on with `CTCLoss(blank=0)`.
Wrong when: one class is all there is on purpose, as in one-class methods.
Source: Northcutt et al. 2021, arXiv 2103.14749 (label errors); DeepCrime, operator "change labels".
"""

from hasten.base.records.data_facts import Agreement, Criterion, DataFacts
from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.criteria import OVER_CLASSES
from hasten.diagnosis.data.said import CONSEQUENCES, call, facts_of, wrong
from hasten.diagnosis.data.validation_differs import inputs_differ
from hasten.diagnosis.rule import Outcome

ENOUGH = 64
"""Labels."""

RENAMED, TIMES = 0.5, 2.0
"""Accuracy after renaming the classes, and how many times that before."""

CLEAR = 0.9
"""Accuracy after renaming, from which some classes may have kept their name."""

_EXPLAINS = (
    "class_imbalance",
    "validation_differs",
    "targets_shuffled",
    "overfit",
    "tiny_validation",
    "exploding_gradient",
    *CONSEQUENCES,
)


def find(health: Health) -> Outcome:
    """Fire where labels are constant, out of range, unknown to the training, or named differently in the evaluation."""
    facts = facts_of(health)
    if not facts.criteria and not facts.signed:
        return Abstained(symptom="labels_unfit", reason="no criterion of torch was seen behind the loss")
    said = (
        _constant(facts) or _outside(facts) or _blank(facts) or _unsigned(facts) or _unknown(facts) or _renamed(facts)
    )
    if said is None:
        return None
    sentence, value, threshold, advice = said
    return _found(sentence, value, threshold, advice, health.command)


def _found(sentence: str, value: float, threshold: float, advice: str, command: str) -> Finding:
    return wrong(
        "labels_unfit",
        sentence,
        value=value,
        threshold=threshold,
        advice=advice,
        check=command,
        explains=_EXPLAINS,
    )


_Said = tuple[str, float, float, str] | None


def _constant(facts: DataFacts) -> _Said:
    for one in facts.criteria:
        total = sum(one.labels or ())
        if one.kind in OVER_CLASSES and one.labels and total >= ENOUGH and max(one.labels) == total and _own(one):
            label = one.labels.index(total)
            return (
                f"All {total} labels that were seen are {label}, and the model has {one.classes} classes.",
                1,
                1,
                "look at what makes the labels; shuffle the data where they are sorted by label",
            )
        if one.kind in ("bce", "bce_logits") and one.from_batch and one.target is not None:
            target = one.target
            if target.numbers >= ENOUGH and target.low == target.high:
                return (
                    f"All {target.numbers} targets that were seen are {target.low:g}.",
                    1,
                    1,
                    "look at what makes the targets; shuffle the data where they are sorted",
                )
        only = one.alone and len(facts.criteria) == 1
        if one.kind == "mse" and one.fed_by and only and one.target_shape == one.compared:  # not of a penalty
            target = one.target
            if target is not None and target.numbers >= ENOUGH and target.low == target.high:
                return (
                    f"All {target.numbers} targets that were seen are {target.low:g}.",
                    1,
                    1,
                    "look at what makes the targets: .long() cuts 0.7 to 0; use .float()",
                )
    return None


def _own(one: Criterion) -> bool:
    """Return whether the labels are those of the data, not made in the loop as for contrastive losses."""
    return (one.from_batch is None and one.fed_by == "linear") or (bool(one.from_batch) and one.classes != 1)


def _outside(facts: DataFacts) -> _Said:
    for one in facts.criteria:
        target = one.target
        if (
            one.kind in ("bce", "bce_logits")
            and target is not None
            and target.whole
            and (target.low < 0 or target.high > 1)
        ):
            return (
                f"{call(one)} takes targets from 0 to 1; they go from {target.low:g} to {target.high:g}.",
                max(-target.low, target.high),
                1,
                "map the labels to 0 and 1",
            )
    return None


def _blank(facts: DataFacts) -> _Said:
    for one in facts.criteria:
        if one.blanks:
            return (
                f"{one.blanks:.0%} of the labels of {call(one)} are {one.blank}, which is its blank and says nothing.",
                one.blanks,
                0,
                "keep a class for the blank: labels + 1 with blank=0; count no padding in target_lengths",
            )
    return None


def _unsigned(facts: DataFacts) -> _Said:
    for one in facts.signed:
        if one.off:
            return (
                f"{one.name} takes targets of -1 and 1; {one.off:.0%} are neither, from {one.low:g} to {one.high:g}.",
                one.off,
                0,
                "targets = 2 * targets - 1, where they are 0 and 1",
            )
    return None


def _unknown(facts: DataFacts) -> _Said:
    training = facts.training
    if training is None or sum(training.labels.values()) < ENOUGH:
        return None
    if training.size is None or training.samples < training.size:
        return None
    for part in facts.evaluations:
        new = [label for label, times in part.labels.items() if label not in training.labels and times > 1]
        share = sum(part.labels[label] for label in new) / max(1, sum(part.labels.values()))
        if new and share >= _NEW and len(training.labels) <= _CLASSES:
            return (
                f"{share:.0%} of the evaluation's labels, such as {new[0]}, are never among the training's.",
                share,
                _NEW,
                "make the labels of both parts by the same mapping of classes to numbers",
            )
    return None


_NEW = 0.05  # share of an evaluation's labels; kddcup99 has 6 % of rare classes of its own, in more classes than this:
_CLASSES = 20


def _renamed(facts: DataFacts) -> _Said:
    probe = None if facts.training is None else facts.training.probe
    if probe is not None and probe.p > _RELATION:  # nothing is learned from shuffled pairs, so names mean nothing
        return None
    for part in facts.evaluations:
        seen = part.agreement
        if seen is None or seen.samples < max(ENOUGH, _EACH * len(seen.counts)) or _one_class(seen):
            continue
        if any(_fits(one.agreement, seen) for one in facts.evaluations):
            continue
        if facts.training is not None and inputs_differ(facts.training, part):  # then answers mean nothing
            continue
        below_chance = seen.renamed >= RENAMED and seen.accuracy < 1 / len(seen.counts)
        if seen.renamed >= TIMES * seen.accuracy and (below_chance or seen.renamed >= CLEAR):
            return (
                f"The evaluation's accuracy is {seen.accuracy:.0%}, and {seen.renamed:.0%} if the classes are renamed.",
                seen.renamed,
                TIMES * seen.accuracy,
                "make the labels of training and evaluation by the same mapping: one is shifted or permuted",
            )
    return None


_RELATION = 0.05  # p of the probe of the training's pairs


_EACH = 8  # samples for each class, of which the best renaming of random answers gives a quarter


def _one_class(seen: Agreement) -> bool:
    """Return whether the labels, or the answers, are all the same."""
    return min(sum(times > 0 for times in numbers) for numbers in (seen.counts, seen.said)) < 2


def _fits(other: Agreement | None, seen: Agreement) -> bool:
    """Return whether the same labels fit other inputs, as those of samples before they were changed by an attack."""
    return other is not None and other.counts == seen.counts and other.accuracy >= max(RENAMED, seen.renamed / TIMES)
