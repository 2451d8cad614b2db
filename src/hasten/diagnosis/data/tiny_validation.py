"""E17: the evaluation has too few samples to tell models apart.

Signal: the samples of the largest evaluation, and those of the training.
Threshold: fewer than 30, with 20 times as many in training. Calls that get each sample ten times and more are left
    out: they ask what a model with noise gives at a point.
Why: the standard error of an accuracy over n samples is up to 0.5 / sqrt(n): 9 points for 30.
Example: a validation set of one batch, or `drop_last=True` in its loader.
Wrong when: it only shows examples, and another score decides.
Source: binomial standard error; Bouthillier et al. 2021, arXiv 2103.03098, on the variance of benchmarks.
"""

from math import sqrt

from hasten.base.records.data_facts import Part
from hasten.base.records.finding import Abstained, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.rule import Outcome

FEW, TIMES = 30, 20
_DRAWS = 10  # rows of a call for each sample


def find(health: Health) -> Outcome:
    """Fire where an evaluation is tiny and the training is not."""
    facts = facts_of(health)
    parts = [part for part in facts.evaluations if part.distinct and not _draws(part)]
    if facts.training is None or not parts:
        return Abstained(symptom="tiny_validation", reason="no evaluation was seen")
    samples = sum(part.distinct * part.places for part in parts)
    if samples >= FEW or facts.training.distinct < TIMES * samples or samples < 2:
        return None
    return wrong(
        "tiny_validation",
        f"The evaluation has {samples} samples: the standard error of an accuracy is up to {0.5 / sqrt(samples):.0%}.",
        value=samples,
        threshold=FEW,
        advice="keep 10 to 20 % of the data for validation, or cross-validate",
        check=health.command,
        severity=Severity.WARNING,
        explains=(),
    )


def _draws(part: Part) -> bool:
    """Return whether each call gets the same samples many times, as a generator whose spread is asked for."""
    return part.samples >= _DRAWS * part.distinct * max(1, part.batches)
