"""W15: the output of a sample depends on the other samples of its batch.

Signal: a copy of the model with random weights in evaluation mode gives the last eighth of the first batch alone, and
    with the rest. Or: a model with recurrent layers begins a call with the state that the call before left in an
    attribute, while the batches of the second pass over the data come in another order than those of the first.
Threshold: a difference of 0.1 % of the largest output, far above rounding; none for the state.
Why: training learns from what the other samples happen to be, and predictions change with the batch.
Example: `softmax(dim=0)`, `x.view(seq, batch)` in the place of a transpose, or `nn.LSTM` without `batch_first=True`.
Wrong when: samples are compared with each other on purpose, as in retrieval. Rows that an argument joins, as edges of
    graphs and numbers of sets do, are not looked at, nor batch norm in training mode.
Source: Karpathy, "A Recipe for Training Neural Networks" (use backprop to chart dependencies).
"""

from hasten.base.records.data_facts import DataFacts
from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import name_of_model, probed

LARGE = 1e-3


def find(health: Health) -> Outcome:
    """Fire where a part of a batch alone gives other outputs."""
    probes = probed(health, "samples_mixed")
    if isinstance(probes, Abstained):
        return probes
    carrying = next((one for one in probes if one.carries), None)
    if carrying is not None and health.wiring is not None and _is_shuffled(health.data):
        return Finding(
            symptom="samples_mixed",
            severity=Severity.CRITICAL,
            sentence="The hidden state of a batch begins the next one, though batches come in another order in each "
            "pass: a sample depends on others.",
            value=1,
            threshold=0,
            bound=None,
            where=name_of_model(health.wiring, carrying.model),
            advice="begin each batch with a state of zeros: output, _ = self.lstm(inputs)",
            check=health.command,
            explains=_EXPLAINS,
        )
    measured = [one for one in probes if one.mixes is not None]
    if not measured or health.wiring is None:
        return Abstained(symptom="samples_mixed", reason="the batch could not be taken apart")
    worst = max(measured, key=lambda one: one.mixes or 0.0)
    if worst.whole and _is_whole(health.data):
        return Abstained(symptom="samples_mixed", reason="all samples are one batch, which the model needs: a graph")
    if worst.mixes is None or worst.mixes < LARGE:
        return None
    return Finding(
        symptom="samples_mixed",
        severity=Severity.CRITICAL,
        sentence=f"Outputs change by {percent(worst.mixes)} without the other samples of the batch: "
        "the model mixes samples.",
        value=worst.mixes,
        threshold=LARGE,
        bound=None,
        where=name_of_model(health.wiring, worst.model),
        advice="check dim= of softmax, mean and cat, view against transpose, and batch_first=True",
        check=health.command,
        explains=(*_EXPLAINS, *(() if _is_over_samples(health.data) else ("log_of_probabilities",))),
    )


_EXPLAINS = (
    "targets_shuffled",
    "not_learning",
    "validation_differs",
    "overfit",
    "attends_to_future",
    "attends_to_padding",
)


def _is_whole(facts: DataFacts | None) -> bool:
    """Return whether each batch holds all samples, always the same."""
    part = None if facts is None else facts.training
    return part is not None and part.distinct_batches == 1 and part.batches > 1


def _is_over_samples(facts: DataFacts | None) -> bool:
    """Return whether a criterion gets a log_softmax, whose wrong dimension its own rule names."""
    return any(one.fed_by == "log_softmax" for one in (() if facts is None else facts.criteria))


def _is_shuffled(facts: DataFacts | None) -> bool:
    """Return whether a second pass over the samples began, and with another batch than the first."""
    part = None if facts is None else facts.training
    return part is not None and part.size is not None and part.samples > part.distinct and not part.same_order
