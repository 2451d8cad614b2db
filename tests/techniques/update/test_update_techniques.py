"""The techniques of the stage update."""

from dataclasses import replace

import pytest
import torch

from hasten import Schedule, Stop, Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.update.fused_optimizer import FUSED
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.schedule import factor_of

from tiny_tasks import mlp_task


@pytest.mark.parametrize("name", sorted(FUSED))
def test_fused_makes_the_same_updates(name: str) -> None:
    recipe = baseline(mlp_task(update=Update(optimizer=name, lr=1e-2)))
    fused = make("fused_optimizer").apply(recipe)
    runs = [build(recipe), build(fused)]
    assert runs[1].optimizer.param_groups[0]["fused"]
    for run in runs:
        list(train(run))
    for mine, theirs in zip(runs[0].parameters, runs[1].parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_fused_refuses_what_has_no_kernel() -> None:
    technique, machine = make("fused_optimizer"), facts()
    assert "no fused kernel for 'rmsprop'" in technique.refuse(baseline(mlp_task(update=Update(optimizer="rmsprop"))),
                                                               machine)  # fmt: skip
    own = Update(optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1), lr=None)
    assert "the task's own function" in technique.refuse(baseline(mlp_task(update=own)), machine)
    fused = Update(optimizer="adam", options={"fused": True})
    assert "fused already" in technique.refuse(baseline(mlp_task(update=fused)), machine)


def test_one_cycle_rises_falls_and_is_shorter() -> None:
    task = mlp_task(stop=Stop(epochs=10))
    recipe = make("one_cycle", {"peak": 4.0, "share": 0.3}).apply(baseline(task))
    assert recipe.subject.planned_steps == 21
    run, rates = build(recipe), []
    list(train(run, lambda mark: rates.append(run.optimizer.param_groups[0]["lr"])))
    assert max(rates) == pytest.approx(4e-2, rel=0.02)
    assert rates[-1] < 1e-6
    assert rates.index(max(rates)) < 0.4 * len(rates)


@pytest.mark.parametrize(
    ("stop", "updates"),
    [(Stop(steps=40), 12), (Stop(steps=2), 1), (Stop(epochs=1), 7), (Stop(epochs=10, steps=30), 9)],
)
def test_one_cycle_shortens_runs_in_steps_as_well(stop: Stop, updates: int) -> None:
    recipe = make("one_cycle", {"share": 0.3}).apply(baseline(mlp_task(stop=stop)))
    run, rates = build(recipe), []
    list(train(run, lambda part: rates.append(run.optimizer.param_groups[0]["lr"])))
    assert run.position.step == updates
    cycle = factor_of(Schedule("one_cycle", options={"peak": 3.0}), updates)
    assert rates[-1] == pytest.approx(1e-2 * cycle(updates - 1))


def test_one_cycle_refuses_schedules_and_open_ends() -> None:
    technique = make("one_cycle")
    scheduled = replace(mlp_task().update, schedule=Schedule(name="cosine"))
    assert "of its own (cosine)" in technique.refuse(baseline(mlp_task(update=scheduled)), facts())
    assert "only by time" in technique.refuse(baseline(mlp_task(stop=Stop(seconds=1))), facts())
