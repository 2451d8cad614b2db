"""Records of healthy trainings that look like faults, each beside one that is faulty."""

import pytest

from hasten.base.records.attention import AttentionFacts, AttentionLayer
from hasten.base.records.data_facts import DataFacts, Learned, Part, Probe, Values
from hasten.base.records.dynamics import Dynamics, Evaluation
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.attention import scale_missing
from hasten.diagnosis.data import targets_shuffled, validation_differs
from hasten.diagnosis.dynamics import noise_dominated


def evaluations(*losses: float | None) -> tuple[Evaluation, ...]:
    return tuple(Evaluation(step=20 * (at + 1), loss=loss, batches=1) for at, loss in enumerate(losses))


@pytest.mark.parametrize(
    ("trained", "evaluated", "learns"),
    [(0.001, 0.0079, True), (0.0, 0.0079, False), (0.0, 0.0095, True), (0.0, 0.0, False)],
)
def test_unseen_samples_count_together(trained: float, evaluated: float, *, learns: bool) -> None:
    """Squared correlations of 2,500 and 1,000 samples: 1.6 and 2.8 standard errors, which together are 3.1."""
    first = Learned(samples=2500, score=trained, chance=0.0, classes=False)
    held_out = Learned(samples=1000, score=evaluated, chance=0.0, classes=False)
    probe = Probe(pairs=768, score=0.0, permuted=0.0, p=0.5, kind="numbers")
    part = Part(samples=5000, distinct=5000, probe=probe, learned=first)
    facts = DataFacts(training=part, evaluations=(Part(samples=1000, learned=held_out),))
    said = targets_shuffled.find(Health(name="x", steps=500, data=facts))
    assert isinstance(said, Finding) is not learns


@pytest.mark.parametrize(("pairs", "evaluated", "wrong"), [(160, 400, False), (160, 96, True), (320, 400, True)])
def test_fewer_pairs_than_those_of_the_evaluation_explain_less(pairs: int, evaluated: int, *, wrong: bool) -> None:
    def part(pairs: int, score: float) -> Part:
        probe = Probe(pairs=pairs, score=score, permuted=0.0, p=0.01, kind="classes")
        return Part(samples=4 * pairs, distinct=pairs, size=pairs, probe=probe)

    facts = DataFacts(training=part(pairs, 0.12), evaluations=(part(evaluated, 0.63),))
    said = targets_shuffled.find(Health(name="x", steps=500, data=facts))
    assert isinstance(said, Finding) is wrong


@pytest.mark.parametrize(("loss", "differs"), [(0.02, False), (0.5, True), (None, True)])
def test_a_series_that_grows_is_no_other_preparation(loss: float | None, *, differs: bool) -> None:
    def part(mean: float) -> Part:
        values = Values(numbers=4000, mean=mean, std=1.0)
        return Part(samples=400, described=400, inputs=values, sample_mean=mean, sample_spread=0.4)

    dynamics = Dynamics(losses=(1.0,) * 20 + (0.01,) * 180, evaluations=evaluations(1.0, loss))
    facts = DataFacts(training=part(0.0), evaluations=(part(1.5),))
    said = validation_differs.find(Health(name="x", steps=200, data=facts, dynamics=dynamics))
    assert isinstance(said, Finding) is differs


@pytest.mark.parametrize(("losses", "steady"), [((0.5, 0.42, 0.4, 0.395), True), ((0.5, 0.42, 0.4, 0.45), False)])
def test_weights_that_wander_change_evaluations(losses: tuple[float, ...], *, steady: bool) -> None:
    noisy = tuple(1.0 if step < 20 else (0.3, 0.9)[step % 2] for step in range(200))
    dynamics = Dynamics(
        losses=noisy,
        gradient_cosines=(0.0,) * 40,
        samples=tuple(range(1, 201, 5)),
        batch_rows=2,
        optimizers=("SGD",),
        evaluations=evaluations(*losses),
    )
    said = noise_dominated.find(Health(name="x", steps=200, dynamics=dynamics))
    assert isinstance(said, Finding) is not steady


def test_products_of_recurrent_states_are_taken_as_they_are() -> None:
    layer = AttentionLayer(
        name="a", how="softmax", heads=1, queries=9, keys=9, spread=5.0, scale=8.0, head_size=64, uneven=0.3
    )
    for recurrent in (False, True):
        facts = AttentionFacts(model="Net", steps=100, recurrent=recurrent, layers=(layer,))
        said = scale_missing.find(Health(name="x", steps=100, attention=facts))
        assert isinstance(said, Finding) is not recurrent
