"""A training finds its plan in its own steps: it keeps what is faster, its losses and its way to resume."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import hasten
from hasten.base.errors import BadInput
from hasten.base.records.card import Card
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.records.record import load
from hasten.base.records.run import Progress
from hasten.base.records.trial import Tuning, Verdict
from hasten.pipeline.autotuning import FOUND, going_on
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import run_training
from hasten.training.task import Stop
from hasten.tuning.inside import Candidates, Inside

from planted import MACHINE, FasterButWrong, NoPause, Pause, Planted, Slower, card, small_task

pytestmark = pytest.mark.usefixtures("planted")
STEPS = Stop(steps=2000)
EMPTY = Plan(task="small")


@dataclass(frozen=True)
class Awake(Planted):
    """Passes over the pause of the model, in the forward pass alone."""

    card: ClassVar[Card] = card("awake")

    def apply(self, recipe: Recipe) -> Recipe:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            def awake(model: Any, *args: Any) -> Any:
                pauses = [one for one in model.modules() if isinstance(one, Pause)] if hasattr(model, "modules") else []
                for one in pauses:
                    one.duration_s = 0.0
                try:
                    return function(model, *args)
                finally:
                    for one in pauses:
                        one.duration_s = 0.03

            return awake

        return recipe.wrap(wrap)


@pytest.fixture(autouse=True)
def _only_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"awake": Awake, "slower": Slower, "no_pause": NoPause, "faster_but_wrong": FasterButWrong}
    monkeypatch.setattr("hasten.pipeline.autotuning.techniques", lambda: known)
    monkeypatch.setitem(techniques(), "awake", Awake)


def weights(run: Any) -> list[torch.Tensor]:
    return [one.detach().clone() for one in run.model.parameters()]


@pytest.mark.slow  # a training of 17 s, which a tuning inside of it needs to be sure
def test_what_is_faster_is_kept_and_no_bit_of_the_weights_changes() -> None:
    recipe, kept, shown = baseline(small_task(pause=True, stop=STEPS)), list[Tuning](), list[object]()
    candidates = Candidates(recipe, MACHINE, [Awake(), Slower(), NoPause()])
    assert [one.card.name for one in candidates.proven] == ["awake", "slower"], "a surgery makes another model"
    inside = Inside(candidates, kept.append)
    with_it = run_training(recipe, EMPTY, show=shown.append, watch=inside)
    (tuning,) = kept
    assert inside.tuning is tuning
    assert shown.index(tuning) > max(shown.index(trial) for trial in tuning.trials)
    assert tuning.noise is not None
    assert tuning.noise.n > 0
    assert tuning.smallest_difference > 0.01, "that of the blocks, not what is asked for"
    assert tuning.spent_s <= 1.1 * tuning.budget_s
    assert tuning.plan.names == ("awake",)
    assert tuning.speedup is not None
    assert tuning.speedup.low > 1
    verdicts = {one.technique: one.verdict for one in tuning.trials}
    assert verdicts.pop("awake") is Verdict.KEPT
    assert verdicts["slower"] in {Verdict.SLOWER, Verdict.NO_DIFFERENCE}, "it leaves when it surely gains nothing"
    assert tuning.spent_s < 0.1 * 2000 * 0.05
    plain = run_training(recipe, EMPTY, show=lambda record: None)
    assert all(torch.equal(one, other) for one, other in zip(weights(with_it), weights(plain), strict=True))


def test_what_breaks_its_guarantee_takes_no_part() -> None:
    recipe = baseline(small_task(pause=True, stop=STEPS))

    @dataclass(frozen=True)
    class Wrong(Planted):
        card: ClassVar[Card] = card("wrong")

        def apply(self, recipe: Recipe) -> Recipe:
            return recipe.wrap(lambda function: lambda *args: function(*args))

    candidates = Candidates(recipe, MACHINE, [Awake(), Wrong()])
    assert len(candidates.proven) == 2

    def broken(self: Wrong, recipe: Recipe) -> Recipe:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            def off(first: Any, *args: Any) -> Any:
                out = function(first, *args)
                return out * 1.5 if isinstance(out, torch.Tensor) else out

            return off

        return recipe.wrap(wrap)

    Wrong.apply = broken  # type: ignore[method-assign]
    candidates = Candidates(recipe, MACHINE, [Awake(), Wrong()])
    assert [one.card.name for one in candidates.proven] == ["awake"]
    assert {one.technique: one.verdict for one in candidates.trials} == {"wrong": Verdict.INACCURATE}


def test_a_training_too_short_to_pay_is_left_alone() -> None:
    shown = list[object]()
    hasten.train(small_task(pause=True, stop=Stop(steps=50)), runs=None, autotune=True, show=shown.append)
    (note,) = [one.text for one in shown if isinstance(one, Note)]
    assert "too short to earn an experiment back" in note


@pytest.mark.slow
def test_a_run_that_is_resumed_goes_on_with_what_it_found_bit_for_bit(tmp_path: Path) -> None:
    task = small_task(pause=True, stop=STEPS)
    whole = hasten.train(task, runs=tmp_path / "whole", autotune=True)
    (folder,) = (tmp_path / "whole").iterdir()
    found = load(Tuning, folder / FOUND)
    assert found.plan.names == ("awake",)
    assert going_on(folder, MACHINE) is not None

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(record: object) -> None:
        if isinstance(record, Progress) and record.step > 1200:
            raise Stopped

    with pytest.raises(Stopped):
        hasten.train(task, runs=tmp_path / "cut", autotune=True, show=stop)
    (cut,) = (tmp_path / "cut").iterdir()
    resumed = hasten.train(task, resume=cut)
    assert resumed.result.steps == 2000
    assert all(torch.equal(one, other) for one, other in zip(weights(resumed), weights(whole), strict=True))


def test_a_plan_and_a_tuning_inside_exclude_each_other() -> None:
    with pytest.raises(BadInput, match="--autotune"):
        hasten.train(small_task(), ["awake"], runs=None, autotune=True)
