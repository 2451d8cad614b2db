"""Values of knobs as factors of their own: which are tried, from where, and how far."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import pytest
from torch import nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.records.trial import Tuning, Verdict
from hasten.techniques.applying import make
from hasten.techniques.forward import cpu_runtime
from hasten.techniques.forward.compile import compiled
from hasten.techniques.input import loader_threads
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique
from hasten.tuning.knobs import levels_of
from hasten.tuning.tune import tune

from planted import MACHINE, Nothing, Planted, Work, card, small_task

WORK = {1: 0.9, 2: 0.7, 4: 0.5, 8: 0.8}
"""Of the time that the model takes, by the size of the knob."""


def _quicker(model: nn.Module, size: int) -> nn.Module:
    for layer in model.modules():
        if isinstance(layer, Work):
            layer.duration_s *= WORK[size]
    return model


@dataclass(frozen=True)
class Knob(Planted):
    """Is fastest with a size of 4; more than 8 is refused."""

    size: int = 1

    card: ClassVar[Card] = card("knob")

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        return "too large" if self.size > 8 else None

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe.with_surgery(partial(_quicker, size=self.size))

    def nearby(self) -> tuple["Knob", ...]:
        return (replace(self, size=2 * self.size),)


def tried(*chosen: Technique) -> list[tuple[Technique, int | None]]:
    return [(one.technique, one.after) for one in levels_of(chosen, baseline(small_task()), MACHINE)]


def test_further_knobs_come_after_those_from_which_they_are_a_step() -> None:
    found = tried(Nothing(), Knob())
    assert found == [(Nothing(), None), (Knob(), None), (Knob(2), 1), (Knob(4), 2)]


def test_what_refuses_is_not_tried_and_no_step_goes_on_from_it() -> None:
    assert tried(Knob(8)) == [(Knob(8), None)], "knobs that a person has set stay"
    assert tried(Knob(), Knob(2)) == [(Knob(), None), (Knob(2), None)]


def test_threads_start_at_all_cores_and_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_runtime, "usable_cores", lambda: 8)
    found = [(one.threads, after) for one, after in tried(make("cpu_runtime"))]  # type: ignore[attr-defined]
    assert found == [(0, None), (1, None), (4, 0), (2, 1)]


def test_readers_are_more_or_fewer_than_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_threads, "usable_cores", lambda: 4)
    workers = loader_threads.LoaderWorkers()
    assert [one.workers for one in workers.nearby()] == [2, 8]
    assert [one.workers for one in replace(workers, workers=8).nearby()] == [16]
    assert [one.workers for one in replace(workers, workers=1).nearby()] == []
    assert replace(workers, workers=256).nearby() == ()


def test_compile_goes_on_to_the_mode_that_times_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    (slow,) = make("compile").nearby()  # type: ignore[attr-defined]
    assert slow.nearby() == ()
    assert slow.source(baseline(small_task())).forward == "torch.compile(model, mode='max-autotune-no-cudagraphs')"
    modes = list[str]()
    monkeypatch.setattr("torch.compile", lambda function, *, mode: modes.append(mode) or function)
    compiled(len, slow.mode)
    assert modes == ["max-autotune-no-cudagraphs"]


@pytest.mark.usefixtures("planted")
def test_tuning_finds_the_best_value_of_a_knob() -> None:
    recipe = baseline(small_task())
    *_, found = tune(recipe, MACHINE, budget_s=60.0, only=[Knob(), Nothing()])
    assert isinstance(found, Tuning)
    assert [choice.label for choice in found.plan.choices] == ["knob(size=4)"]
    about = [trial for trial in found.trials if trial.technique == "knob"]
    assert [trial.verdict for trial in about] == [Verdict.KEPT], "one trial for all values"
