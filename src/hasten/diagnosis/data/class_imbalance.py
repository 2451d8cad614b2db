"""E15: a rare class is hardly ever found, and the accuracy hides it.

Signal: how often each label is trained on, and which share of each class the model finds in an evaluation.
Threshold: a class that is 10 times rarer than the most frequent one, with at least 10 samples in the evaluation, of
which the model finds less than half; or, in an evaluation without labels, that is said 20 times less often than it was
trained on. Weights of classes, and samplers that draw with replacement, are taken for a treatment, but for weights that
are 3 times larger for a class that is 3 times more frequent.
Why: saying the frequent class always gives a low loss and a high accuracy.
Example: 2 % fraud; the model says "no fraud" always and is 98 % right.
Wrong when: rare classes do not matter, or the model has only begun to learn.
Source: SageMaker Debugger, class_imbalance (ratio 10, error 0.7); He and Garcia 2009, Learning from Imbalanced Data.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hasten.base.records.data_facts import DataFacts, Part
from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.rule import Outcome

RATIO, FOUND = 10.0, 0.5
WEIGHTS = 3.0
_SAMPLES, _TOP_FOUND = 10, 0.7
_LABELS, _EXPECTED, _SHARED = 200, 20, 0.5


@dataclass(frozen=True)
class _Said:
    """What there is to say of a class: the sentence, its number, and what to try."""

    sentence: str
    value: float
    threshold: float
    advice: str = "weight=counts.sum() / counts in the loss, or WeightedRandomSampler; judge by balanced accuracy"


def find(health: Health) -> Outcome:
    """Fire where a rare class is not found."""
    facts = facts_of(health)
    training = facts.training
    parts = [part for part in facts.evaluations if part.agreement is not None]
    labels = _labels(facts)
    treated = (training is not None and training.replacement) or any(one.weighted for one in facts.criteria)
    said = _inverted(facts, labels)
    if said is None and training is not None and not treated:
        said = _never_said(labels, facts)
    if said is None and (training is None or not labels or not parts):
        return Abstained(symptom="class_imbalance", reason="labels of training and evaluation were not seen")
    if said is None and not treated:
        said = next((lost for part in parts if (lost := _lost(labels, part)) is not None), None)
    if said is None:
        return None
    return wrong(
        "class_imbalance",
        said.sentence,
        value=said.value,
        threshold=said.threshold,
        advice=said.advice,
        check=health.command,
        severity=Severity.WARNING,
        explains=("overfit", "plateau", "not_learning"),
    )


def _labels(facts: DataFacts) -> dict[int, int]:
    """Return how often each label was trained on: of the batches, or else of the first criterion over classes."""
    if facts.training is not None and facts.training.labels:
        return dict(facts.training.labels)
    binary = (one.counts for one in facts.criteria if one.kind in ("bce", "bce_logits") and one.counts)
    counted = next((one.labels for one in facts.criteria if one.labels), None) or next(binary, ())
    return {label: times for label, times in enumerate(counted) if times}


def _inverted(facts: DataFacts, labels: Mapping[int, int]) -> _Said | None:
    """Say where a frequent class has a far larger weight than a rare one."""
    if sum(labels.values()) < _LABELS:
        return None
    for one in facts.criteria:
        weights = one.weights
        if weights is not None and one.kind == "bce_logits" and len(weights) == 1:
            weights = (1.0, weights[0])
        if weights is None or len(weights) <= max(labels):
            continue
        frequent, rare = max(labels, key=lambda label: labels[label]), min(labels, key=lambda label: labels[label])
        if labels[frequent] >= WEIGHTS * labels[rare] and weights[frequent] >= WEIGHTS * weights[rare] > 0:
            times = weights[frequent] / weights[rare]
            return _Said(
                f"The loss weights the frequent class {frequent} {times:.2g} times as much as the rare class {rare}.",
                times,
                WEIGHTS,
                "weight=counts.sum() / counts, pos_weight=negatives / positives: the rarer, the larger",
            )
    return None


def _never_said(labels: Mapping[int, int], facts: DataFacts) -> _Said | None:
    """Say where the model hardly ever says a rare class, in an evaluation whose labels are not seen."""
    trained = sum(labels.values())
    for part in facts.evaluations:
        total = sum(part.said.values())
        if part.agreement is not None or len(labels) < 2 or trained < _LABELS or part.overlap > _SHARED:
            continue
        for label, times in labels.items():
            expected = total * times / trained
            rare = times <= max(labels.values()) / RATIO
            if rare and expected >= _EXPECTED and part.said.get(label, 0) <= expected / _EXPECTED:
                return _Said(
                    f"Class {label} is hardly ever said in {total} evaluated samples; "
                    f"{expected / total:.1%} in training are.",
                    expected,
                    _EXPECTED,
                )
    return None


def _lost(labels: Mapping[int, int], part: Part) -> _Said | None:
    """Say of the rarest class that is hardly found how much rarer it is, and which share is found."""
    seen = part.agreement
    assert seen is not None, "asked only where there is one"
    most, top = max((times, label) for label, times in labels.items())
    if top >= len(seen.recalls) or seen.recalls[top] < _TOP_FOUND:
        return None
    lost = [
        (most / labels[label], label)
        for label, samples in enumerate(seen.counts)
        if samples >= _SAMPLES and seen.recalls[label] < FOUND and 0 < labels.get(label, 0) <= most / RATIO
    ]
    if not lost:
        return None
    ratio, label = max(lost)
    found, samples = seen.recalls[label], seen.counts[label]
    return _Said(
        f"Class {label} is {ratio:.0f} times rarer than the largest; {found:.0%} of its {samples} are found.",
        ratio,
        RATIO,
    )
