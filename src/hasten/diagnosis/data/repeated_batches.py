"""E12: the same batch is trained on again and again, or the data set holds few different samples.

Signal: fingerprints of the samples of each step, and the length of the data set.
Threshold: the same batch in half of at least 10 steps, of a data set with more than twice as many samples, or beside an
evaluation, with targets where samples have at most 4 numbers, of more than 4 times as many; less than
60 % of the first pass are different samples, or 10 % where the sampler draws with replacement; samples come 3 times and
half of what the sampler draws in a pass never comes.
Why: the model learns these few samples by heart and nothing of the others.
Example: `next(iter(loader))` inside of the loop, with a loader that does not shuffle; `break` after some batches;
`WeightedRandomSampler(class_weights, n)`, which takes a weight per sample.
Wrong when: learning one batch by heart is meant as a test; a data set repeats samples on purpose, as some logs do.
Source: Karpathy 2019, A Recipe for Training Neural Networks (overfit one batch: as a test); OPT logbook on samplers.
"""

from hasten.base.records.data_facts import DataFacts, Part
from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, may_be_drawn, wrong
from hasten.diagnosis.rule import Outcome

STEPS = 10
REPEATED = 0.5
DIFFERENT = 0.6
DRAWN, TIMES, LEFT_OUT = 0.1, 3, 0.5
_ENOUGH = 64  # samples
_FEW = 16  # samples of a batch, below which they may be all there is
_ELEMENTS = 8  # of a sample whose equality is no chance
_EXPLAINS = ("overfit", "ordered_data", "direction_consistent", "noise_dominated", "loss_oscillates")


def find(health: Health) -> Outcome:
    """Fire where few different samples are trained on, of many."""
    facts = facts_of(health)
    training = facts.training
    if training is None or training.batches < STEPS:
        return Abstained(symptom="repeated_batches", reason=f"fewer than {STEPS} batches were seen")
    repeats = _batches(training, facts)
    said = repeats or _left_out(training) or _samples(training)
    if said is None:
        return None
    sentence, value, threshold, advice = said
    return wrong(
        "repeated_batches",
        sentence,
        value=value,
        threshold=threshold,
        advice=advice,
        check=health.command,
        explains=(*_EXPLAINS, "class_imbalance", "labels_unfit") if repeats or training.replacement else _EXPLAINS,
    )


def _batches(training: Part, facts: DataFacts) -> tuple[str, float, float, str] | None:
    repeated = training.repeated / training.batches
    evaluated = [one for one in facts.evaluations if not one.same_set and not may_be_drawn(one, facts.evaluations)]
    others = 0 if training.several else max((one.distinct for one in evaluated), default=0)
    larger = training.whole is not None and training.whole > 2 * training.batch_size
    alone = training.whole is None and training.distinct_batches == 1 and others > 4 * training.batch_size >= 4 * _FEW
    if repeated < REPEATED or training.batch_size < 2 or not (larger or alone):
        return None
    of = f" of {training.whole} samples" if training.whole is not None else ""
    return (
        f"{repeated:.0%} of the steps repeat the batch before; {training.distinct} samples{of} were trained on.",
        repeated,
        REPEATED,
        "for inputs, targets in loader: one pass over the loader in each epoch, not next(iter(loader))",
    )


def _left_out(training: Part) -> tuple[str, float, float, str] | None:
    """Return what to say where the loop leaves its loader early and then begins it again at the same samples."""
    drawn = training.drawn
    if drawn is None or training.replacement or training.elements < _ELEMENTS or drawn < _ENOUGH:
        return None
    if training.samples < TIMES * training.distinct or training.distinct > LEFT_OUT * drawn:
        return None
    return (
        f"Each pass over {drawn} samples is left early: the same {training.distinct} are trained on, the others never.",
        training.distinct / drawn,
        LEFT_OUT,
        "remove the break from the loop over the loader, or shuffle",
    )


def _drawn_again(training: Part) -> tuple[str, float, float, str] | None:
    """Return what to say where the weights of a sampler leave most samples out."""
    if training.whole is None or training.whole < _ENOUGH or training.samples < training.whole:
        return None
    if training.elements < _ELEMENTS or training.distinct >= DRAWN * training.whole:
        return None
    return (
        f"The sampler draws only {training.distinct} of {training.whole} samples.",
        training.distinct / training.whole,
        DRAWN,
        "WeightedRandomSampler(weights[labels], len(labels))  # a weight for each sample, not for each class",
    )


def _samples(training: Part) -> tuple[str, float, float, str] | None:
    if training.replacement:
        return _drawn_again(training)
    if training.elements < _ELEMENTS or training.whole is None:
        return None
    if training.first_pass < training.whole or training.whole < _ENOUGH or training.uneven:
        return None
    different = training.distinct_in_first_pass / training.first_pass
    if different >= DIFFERENT:
        return None
    return (
        f"Of {training.first_pass} samples only {training.distinct_in_first_pass} are different.",
        different,
        DIFFERENT,
        "look at what reads a sample by its index, and at how the data set was put together",
    )
