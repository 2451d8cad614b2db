"""E3: the loss does not belong to the kind of target.

Signal: criterion, targets and number of outputs: cross-entropy over a single class; a softmax over a single output;
binary cross-entropy whose targets name exactly one of several classes, or are no numbers between 0 and 1; squared
error on class numbers or on one-hot rows; a softmax where a sample has several labels.
Threshold: all of at least 64 targets; class numbers are whole numbers from 0 on, at least 3, all about equally
frequent. One-hot rows compared with some columns of a wider output do not count: a detector of boxes may compare
places, certainty and classes by squared errors alike (Redmon et al. 2016, arXiv 1506.02640).
Why: a softmax over one output is always 1 and learns nothing; squared errors take class 9 for further from 0 than
class 1.
Example: `nn.MSELoss()(model(x).squeeze(1), labels.float())` with labels 0 to 9.
Wrong when: one-vs-all training on purpose; targets are ordered grades that happen to start at 0. A model that gives
    back its own input of several ones may share 1 among them: draws from a multinomial distribution.
Source: UMLAUT and NeuraLint (last layer and loss do not match); DeepCrime, operator "change loss function".
"""

import math

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.criteria import OVER_CLASSES
from hasten.diagnosis.data.said import REGRESSION, call, each_criterion, elements, wrong
from hasten.diagnosis.rule import Outcome

ENOUGH = 64
"""Targets."""

EVEN = 0.9
"""Entropy of the class numbers, as a share of that of equally frequent classes."""


def find(health: Health) -> Outcome:
    """Fire where criterion, outputs and targets do not belong together."""
    return each_criterion(health, "wrong_loss_family", _judged)


def _judged(one: Criterion, command: str) -> Finding | None:
    said = _said(one)
    if said is None:
        return None
    sentence, value, advice, severity = said
    return wrong(
        "wrong_loss_family",
        sentence,
        value=value,
        threshold=0,
        advice=advice,
        check=command,
        where=call(one),
        severity=severity,
        explains=(
            "bounded_output",
            "labels_unfit",
            "targets_unscaled",
            "loss_broadcasts",
            "gradient_scale",
            "initial_loss_off",
            "loss_detached",
            "output_ignores_input",
            "not_learning",
            "plateau",
            "slow_convergence",
            "vanishing_gradient",
            "gradient_zero",
            "saturated",
            "update_too_small",
        ),
    )


def _said(one: Criterion) -> tuple[str, float, str, Severity] | None:
    name, classes = call(one), one.classes
    width = one.given[-1] if len(one.given) == 2 else 0
    if one.kind in OVER_CLASSES and classes == 1:
        return (
            f"{name} over a single output is always 0: a softmax needs one output for each class.",
            1,
            "two outputs, or binary_cross_entropy_with_logits on one",
            Severity.CRITICAL,
        )
    if one.fed_by == "softmax" and one.feed_size == 1:
        return (
            "The softmax over a single output is always 1: the model cannot learn.",
            1,
            "torch.sigmoid for one output, or no activation and binary_cross_entropy_with_logits",
            Severity.CRITICAL,
        )
    if one.kind in ("bce", "bce_logits"):
        return _binary(one, name, width)
    if one.kind in REGRESSION:
        return _regression(one, name, width)
    if one.kind == "soft_cross_entropy" and one.target is not None and one.target.low < 0:
        return (
            f"{name} takes probabilities as targets and gets numbers down to {one.target.low:.3g}.",
            one.target.low,
            "mse_loss for numbers, class numbers (int64) for classes",
            Severity.CRITICAL,
        )
    if one.kind == "soft_cross_entropy" and one.rows >= ENOUGH and one.several > 0 and _are_labels(one):
        return (
            f"{name} shares 1 among all classes, but {one.several:.0%} of the samples have several labels.",
            one.several,
            "binary_cross_entropy_with_logits for several labels per sample",
            Severity.CRITICAL,
        )
    return None


def _are_labels(one: Criterion) -> bool:
    """Return whether all targets are 0 or 1, and not the input: probabilities shared among classes are not."""
    return (
        not one.itself and one.target is not None and one.target.whole and (one.target.low, one.target.high) == (0, 1)
    )


def _binary(one: Criterion, name: str, width: int) -> tuple[str, float, str, Severity] | None:
    target = one.target
    if target is not None and not target.whole and (target.low < 0 or target.high > 1):
        return (
            f"{name} takes targets from 0 to 1; they go from {target.low:.3g} to {target.high:.3g}.",
            max(-target.low, target.high),
            "mse_loss and no sigmoid for numbers without bounds",
            Severity.CRITICAL,
        )
    if one.rows >= ENOUGH and one.one_hot == 1:
        return (
            f"{name} treats {width} classes as independent, but each of {one.rows} samples has exactly one.",
            one.one_hot,
            "cross_entropy(logits, class_numbers), without sigmoid",
            Severity.WARNING,
        )
    if one.fed_by == "softmax" and one.rows >= ENOUGH and one.several > 0:
        return (
            f"A softmax shares 1 among all labels, but {one.several:.0%} of the samples have several.",
            one.several,
            "sigmoid, or binary_cross_entropy_with_logits without an activation, for several labels per sample",
            Severity.CRITICAL,
        )
    return None


def _regression(one: Criterion, name: str, width: int) -> tuple[str, float, str, Severity] | None:
    if one.rows >= ENOUGH and width >= 3 and one.one_hot == 1 and not one.cut:
        return (
            f"{name} compares with one-hot rows of {width} classes; cross_entropy is the loss for classes.",
            one.one_hot,
            "cross_entropy(logits, class_numbers), without softmax",
            Severity.WARNING,
        )
    counts = one.counts
    if (
        counts is None
        or len(counts) < (2 if one.alike else 3)
        or one.from_batch == 0
        or not (one.alike or elements(one.given) == one.given[0])
    ):
        return None
    total = sum(counts)
    entropy = -sum(count / total * math.log(count / total) for count in counts if count)
    if total < max(ENOUGH, 10 * len(counts)) or not min(counts) or entropy < EVEN * math.log(len(counts)):
        return None
    return (
        f"{name} treats {len(counts)} class numbers as quantities, but their distances mean nothing.",
        len(counts),
        f"{len(counts)} outputs and cross_entropy(logits, class_numbers)",
        Severity.WARNING,
    )
