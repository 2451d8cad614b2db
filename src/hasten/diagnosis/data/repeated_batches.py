"""E12: the same batch is trained on again and again, or the data set holds few different samples.

Signal: fingerprints of the samples of each step, and the length of the data set.
Threshold: the same batch in half of at least 10 steps, of a data set with more than twice as many samples; less than
60 % of the first pass are different samples.
Why: the model learns these few samples by heart and nothing of the others.
Example: `next(iter(loader))` inside of the loop, with a loader that does not shuffle.
Wrong when: learning one batch by heart is meant as a test; a data set repeats samples on purpose, as some logs do.
Source: Karpathy 2019, A Recipe for Training Neural Networks (overfit one batch: as a test); OPT logbook on samplers.
"""

from hasten.base.records.data_facts import DataFacts, Part
from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import facts_of, wrong
from hasten.diagnosis.rule import Outcome

STEPS = 10
REPEATED = 0.5
DIFFERENT = 0.6
_ELEMENTS = 8  # of a sample whose equality is no chance
_EXPLAINS = ("overfit", "ordered_data", "direction_consistent", "noise_dominated", "loss_oscillates")


def find(health: Health) -> Outcome:
    """Fire where few different samples are trained on, of many."""
    facts = facts_of(health)
    training = facts.training
    if training is None or training.batches < STEPS:
        return Abstained(symptom="repeated_batches", reason=f"fewer than {STEPS} batches were seen")
    repeats = _batches(training, facts)
    said = repeats or _samples(training)
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
        explains=_EXPLAINS if repeats is None else (*_EXPLAINS, "class_imbalance"),
    )


def _batches(training: Part, facts: DataFacts) -> tuple[str, float, float, str] | None:
    repeated = training.repeated / training.batches
    others = max((part.distinct for part in facts.evaluations if not part.same_set), default=0)
    larger = training.whole is not None and training.whole > 2 * training.batch_size
    alone = training.whole is None and training.distinct_batches == 1 and others > 4 * training.batch_size
    if repeated < REPEATED or training.batch_size < 2 or not (larger or alone):
        return None
    of = f" of {training.whole} samples" if training.whole is not None else ""
    return (
        f"{repeated:.0%} of the steps repeat the batch before; {training.distinct} samples{of} were trained on.",
        repeated,
        REPEATED,
        "for inputs, targets in loader: one pass over the loader in each epoch, not next(iter(loader))",
    )


def _samples(training: Part) -> tuple[str, float, float, str] | None:
    if training.replacement or training.elements < _ELEMENTS or training.whole is None:
        return None
    if training.first_pass < training.whole or training.whole < 64 or training.uneven:
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
