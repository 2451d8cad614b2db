"""E7: the targets do not belong to the inputs.

Signal: a permutation test: whether quick predictors (nearest neighbors, ridge regression) do better on the pairs of
the training than on permuted pairs, and how well the model predicts samples that it was not trained on. Of tokens: the
most frequent target, and the next token.
Threshold: p above 0.05, or above 0.02 with less than 0.05 of the variance explained, with at least 300 pairs, and
predictions that are not better than chance by 3 standard errors in the first pass or an evaluation, and by 2 in both
together. Of 80 pairs and more, if they are all there are, p above 0.1. Where the same samples are seen unchanged in
each epoch, and are at least 300 or as many as those of the evaluation: less than 0.65 of the variance that is explained
there. Of masks: a tenth of at least 30 that correlate with their pictures at least twice as well mirrored or turned as
they are.
Why: from shuffled pairs a model can only learn samples by heart.
Example: `inputs = inputs[torch.randperm(n)]` without the same order for the targets; two files read in different
orders; a random flip of the picture that its mask does not get.
Wrong when: the relation is too fine for the probe and the training too short to find it, or there is none.
Source: Ojala and Garriga 2010, Permutation tests for studying classifier performance; Zhang et al. 2017, arXiv
1611.03530.
"""

from math import sqrt

from hasten.base.records.data_facts import DataFacts, Learned, Part, Probe
from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, facts_of, wrong
from hasten.diagnosis.rule import Outcome

NO_RELATION, RELATION = 0.05, 0.02
PAIRS, FEW = 300, 80
NONE = 0.1
"""The p of fewer pairs than `PAIRS`, of which a weak relation does not show in the usual one."""
GAIN = 0.05
"""Explained variance beyond that of permuted pairs, below which a p between the two is no relation."""
SHARE, CLEAR = 0.65, 0.3
"""Explained variance of the training's pairs as a share of the evaluation's, and how much the latter must be."""

MIRRORED, CLEAR_MAPS = 0.1, 30
"""Share of the maps, as masks, that fit their pictures only mirrored or turned, and of how many at least."""
UPRIGHT = 5
"""Maps more that fit their pictures as they are than mirrored, from which on they belong together."""

ONE_PART, TOGETHER = 3.0, 2.0
"""Standard errors above chance of predictions of one part of the unseen samples, and of all together (Stouffer)."""

_AGAIN = 32
"""Samples of the second pass, in all of which augmentation would have to have changed nothing."""
_SHARED = 0.5  # of an evaluation that was trained on, so that it tells nothing of unseen samples


def find(health: Health) -> Outcome:
    """Fire where pairs are no better than permuted ones, and nothing is learned from them."""
    facts = facts_of(health)
    training = facts.training
    if training is not None and _mirrored(training):
        count, of = training.mirrored, training.mirrored + training.upright
        return _found(
            f"{count} of {of} masks fit their pictures only when they are mirrored or turned.",
            value=count / of,
            threshold=MIRRORED,
            advice="flip, turn and crop picture and mask by the same random numbers",
            check=health.command,
        )
    if health.wiring is not None and health.wiring.policy is not None:
        return Abstained(symptom="targets_shuffled", reason="a policy learns from rewards of actions, not from targets")
    probe = None if training is None else training.probe
    if training is None or probe is None or not _enough(training, probe):
        return Abstained(symptom="targets_shuffled", reason="too few pairs of inputs and targets were seen")
    said = _against_evaluation(training, probe, facts) or _alone(training, probe, facts)
    if isinstance(said, Abstained) or said is None:
        return said
    return _found(
        said,
        value=probe.p,
        threshold=_limit(probe),
        advice="print some inputs with their targets; shuffle both with the same permutation",
        check=health.command,
    )


def _found(sentence: str, *, value: float, threshold: float, advice: str, check: str) -> Finding:
    return wrong(
        "targets_shuffled",
        sentence,
        value=value,
        threshold=threshold,
        advice=advice,
        check=check,
        explains=("overfit", "noise_dominated", "direction_zigzag", "leak_across_splits", *CONSEQUENCES),
    )


def _mirrored(training: Part) -> bool:
    """Return whether some maps, or all, fit their pictures only in another way than they lie."""
    clear = training.mirrored + training.upright
    return clear >= CLEAR_MAPS and training.mirrored >= MIRRORED * clear


def _against_evaluation(training: Part, probe: Probe, facts: DataFacts) -> str | None:
    for part in facts.evaluations:
        other = part.probe
        if other is None or other.kind != probe.kind or other.p > RELATION or part.overlap > _SHARED or part.same_set:
            continue
        if probe.p > _limit(probe) and not _learns(training, facts):
            return (
                f"Inputs predict the targets of the evaluation (p {other.p:.2g}), but not those of the training "
                f"(p {probe.p:.2g}, {probe.pairs} pairs)."
            )
        gain, best = probe.score - probe.permuted, other.score - other.permuted
        enough = probe.pairs >= min(PAIRS, other.pairs)  # fewer explain less anyway
        if enough and best >= CLEAR and gain < SHARE * best and _unchanged(training):
            return (
                f"Inputs explain {max(0.0, gain):.0%} of the training's targets and {best:.0%} of the evaluation's: "
                "a part of the pairs is wrong."
            )
    return None


def _enough(training: Part, probe: Probe) -> bool:
    """Return whether there are enough pairs to tell, or all that the training has."""
    return probe.pairs >= PAIRS or (probe.pairs >= FEW and training.size is not None and probe.pairs >= training.size)


def _limit(probe: Probe) -> float:
    return NO_RELATION if probe.pairs >= PAIRS else NONE


def _unchanged(part: Part) -> bool:
    """Return whether the samples are the same in each epoch: augmented ones are harder for the probe."""
    return part.size is not None and part.samples >= part.size + _AGAIN and part.distinct <= part.size


def _alone(training: Part, probe: Probe, facts: DataFacts) -> str | Abstained | None:
    upright = training.upright - training.mirrored  # no chance: there are as many ways to lie as mirrored ones
    if not _unrelated(probe) or _learns(training, facts) or upright >= UPRIGHT:
        return None
    if all(one is None for one in _answers(training, facts)):
        return Abstained(symptom="targets_shuffled", reason="how well the model predicts was not seen")
    if training.samples < 2 * PAIRS:
        return Abstained(symptom="targets_shuffled", reason="too few samples were trained on")
    return (
        f"A probe finds no relation of inputs and targets in {probe.pairs} pairs (p {probe.p:.2g}), "
        "and the model learns none."
    )


def _unrelated(probe: Probe) -> bool:
    """Return whether pairs are like permuted ones; a p that chance gives often, and next to no gain, is no relation."""
    gain = probe.score - probe.permuted
    return probe.p > _limit(probe) or (probe.pairs >= PAIRS and probe.p > RELATION + 1e-6 and gain < GAIN)


def _answers(training: Part, facts: DataFacts) -> list[Learned | None]:
    return [training.learned, *(part.learned for part in facts.evaluations if part.overlap <= _SHARED)]


def _learns(training: Part, facts: DataFacts) -> bool:
    """Return whether the model predicts unseen samples better than chance: one part of them, or all together."""
    found = [_errors(one) for one in _answers(training, facts) if one is not None]
    return bool(found) and (max(found) > ONE_PART or sum(found) / sqrt(len(found)) > TOGETHER)


def _errors(one: Learned) -> float:
    """Return by how many standard errors predictions are better than chance: a correlation has one of 1 / sqrt(n)."""
    if not one.classes:
        return sqrt(max(0.0, one.score) * one.samples)
    error = sqrt(one.chance * (1 - one.chance) / one.samples)
    return (one.score - one.chance) / error if error else 0.0
