"""How long a look at a task takes, and what it is told of the training."""

import pytest

import hasten
from hasten import Stop
from hasten.base.records.finding import Diagnosis
from hasten.base.records.notices import Note
from hasten.pipeline import diagnosing
from hasten.pipeline.diagnosing import health_of_recipe
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task


def notes_of(shown: list[object]) -> list[str]:
    return [one.text for one in shown if isinstance(one, Note)]


def test_a_look_says_what_it_takes_before_it_starts_and_ends_when_its_seconds_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosing, "SECONDS", 0.0)
    shown: list[object] = []
    hasten.diagnose(mlp_task(stop=Stop(epochs=50)), show=shown.append)
    assert notes_of(shown) == [
        "training for 200 steps, or as many as fit into 0 s (at least 24), on a model of its own",
        "0 s were enough for 24 steps; to look at more: --steps 200",
    ]
    assert isinstance(shown[-1], Diagnosis)


def test_a_look_that_is_told_its_steps_makes_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosing, "SECONDS", 0.0)
    shown: list[object] = []
    health = health_of_recipe(baseline(mlp_task(stop=Stop(epochs=50))), steps=30, show=shown.append)
    assert (health.steps, notes_of(shown)) == (30, ["training for 30 steps, on a model of its own"])


@pytest.mark.parametrize(
    ("stop", "complete"), [(Stop(epochs=2), True), (Stop(steps=9), True), (Stop(seconds=1e-9), False)]
)
def test_a_training_that_time_ends_is_no_complete_one(stop: Stop, complete: bool) -> None:
    health = health_of_recipe(baseline(mlp_task(stop=stop)), steps=50, show=lambda record: None)
    assert health.complete is complete


@pytest.mark.parametrize("micro_batch", [None, 4])
def test_the_losses_are_recorded_without_the_loss_scale_of_the_recipe(micro_batch: int | None) -> None:
    recipe = baseline(mlp_task(stop=Stop(steps=5))).with_backward(micro_batch=micro_batch)
    plain, scaled = (
        health_of_recipe(one, steps=5, show=lambda record: None).dynamics
        for one in (recipe, recipe.with_backward(loss_scale=4096.0))
    )
    assert plain is not None
    assert scaled is not None
    assert scaled.losses == pytest.approx(plain.losses)
    assert max(loss or 0.0 for loss in scaled.losses) < 2
    assert scaled.norms == pytest.approx(plain.norms, rel=1e-4)
