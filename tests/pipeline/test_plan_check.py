"""A plan is checked by its gates before it trains, or says that it was not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

import hasten
from hasten import Choice, Plan, Stop
from hasten.base.errors import BadInput, Refused
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.records.trial import PlanCheck
from hasten.base.seeds import random_state
from hasten.base.stages import Guarantee, Stage
from hasten.machine import facts
from hasten.pipeline import plan_check
from hasten.pipeline.plan_check import PLAN_CHECK, check_plan
from hasten.techniques import registry
from hasten.techniques.backward import micro_batch
from hasten.training.recipe import Recipe, baseline

from tiny_tasks import mlp_task


def plan_of(*names: str, **knobs: Any) -> Plan:
    return Plan(task="tiny", choices=tuple(Choice(technique=name, knobs=knobs.get(name, {})) for name in names))


def contrastive(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    unit = nn.functional.normalize(output)
    return nn.functional.cross_entropy(unit @ unit.T / 0.1, torch.arange(len(unit)))


@dataclass(frozen=True)
class Lies:
    """Promises rounding, and shrinks one layer's weights by a percent at the start."""

    card: ClassVar[Card] = Card(
        name="lies", stage=Stage.MODEL, guarantee=Guarantee.ROUNDING, idea="shrink the weights", source="a test"
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        @torch.no_grad()
        def shrink(function: Callable[..., Any]) -> Callable[..., Any]:
            def predict(*args: Any) -> Any:
                output = function(*args)
                return 0.99 * output if isinstance(output, torch.Tensor) else output

            return predict

        return recipe.with_forward(wrappers=(*recipe.forward.wrappers, shrink))


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry.techniques(), "lies": Lies}
    monkeypatch.setattr("hasten.techniques.registry.techniques", lambda: known)


@pytest.mark.usefixtures("lies")
def test_a_technique_that_breaks_its_promise_is_named_and_nothing_is_trained(tmp_path: Path) -> None:
    task = mlp_task(stop=Stop(steps=2))
    with pytest.raises(Refused, match=r"^lies cannot be used on 'tiny': not rounding: worst is .* --accept lies"):
        hasten.train(task, plan_of("fused_optimizer", "lies"), runs=tmp_path)
    assert not list(tmp_path.iterdir())
    shown: list[object] = []
    hasten.train(task, plan_of("lies"), accept=["lies"], runs=None, show=shown.append)
    assert "plan not checked: no gate judges lies" in [one.text for one in shown if isinstance(one, PlanCheck)]


def test_a_plan_edited_by_hand_with_micro_batch_on_a_contrastive_loss_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = mlp_task(loss=contrastive, metric="loss", stop=Stop(steps=2))
    with pytest.raises(Refused, match="micro_batch cannot be used on 'tiny'"):
        hasten.train(task, plan_of("micro_batch"), runs=None)
    monkeypatch.setattr(micro_batch.MicroBatch, "refuse", lambda *given: None)  # the gate finds it, too
    with pytest.raises(Refused, match="micro_batch cannot be used on 'tiny': not rounding"):
        hasten.train(task, plan_of("micro_batch"), runs=None)


def test_a_plan_that_keeps_its_promises_trains_and_says_so(tmp_path: Path) -> None:
    shown: list[object] = []
    plan = plan_of("fused_optimizer", "clip_norm")
    trained = hasten.train(mlp_task(stop=Stop(steps=2)), plan, runs=tmp_path, show=shown.append)
    (said,) = [one for one in shown if isinstance(one, PlanCheck)]
    assert said.gate is not None
    assert said.gate.passed
    assert said.text.startswith("plan checked: fused_optimizer: worst is")
    assert said.text.endswith("; no gate judges clip_norm")
    assert (Path(str(trained.result.folder)) / PLAN_CHECK).exists()


def test_a_resumed_run_is_not_checked_again_unless_its_plan_was_edited(tmp_path: Path) -> None:
    recipe, plan = baseline(mlp_task()), plan_of("fused_optimizer")
    first = check_plan(plan, recipe, facts())
    assert first is not None
    hasten.base.records.record.save(first, tmp_path / PLAN_CHECK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_check, "judge", None)  # would raise
        assert check_plan(plan, recipe, facts(), folder=tmp_path) == first
        with pytest.raises(TypeError):
            check_plan(plan_of("fused_optimizer", "micro_batch"), recipe, facts(), folder=tmp_path)


def test_a_check_that_would_take_too_long_is_not_made_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_check, "LONGEST_S", 1e-6)
    said = check_plan(plan_of("fused_optimizer"), baseline(mlp_task()), facts())
    assert said is not None
    assert said.gate is None
    assert said.text.startswith("plan not checked (fused_optimizer): it would take about")


def test_a_baseline_that_cannot_be_compared_with_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Insists(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.dtype is not torch.float32:
                raise TypeError("float32 only")
            return super().forward(x)

    said = check_plan(plan_of("fused_optimizer"), baseline(mlp_task(model=lambda: Insists(5, 2))), facts())
    assert said is not None
    assert said.text.startswith("plan not checked (fused_optimizer): the model cannot be computed in float64")


def test_a_name_to_accept_that_the_plan_does_not_use_is_an_error() -> None:
    with pytest.raises(BadInput, match="--accept bf16: the plan does not use it; it uses fused_optimizer"):
        check_plan(plan_of("fused_optimizer"), baseline(mlp_task()), facts(), accept=["bf16"])


def test_a_check_leaves_no_trace() -> None:
    torch.rand(3)
    before = random_state()
    check_plan(plan_of("fused_optimizer"), baseline(mlp_task(dropout=0.5)), facts())
    after = random_state()
    assert torch.equal(before["torch"], after["torch"])
    assert before["python"] == after["python"]
