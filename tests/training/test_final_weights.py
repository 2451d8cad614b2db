"""What a run is judged by, its curriculum, its loss scale and what it does after an update."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from hasten import Stop
from hasten.base.records.run import Evaluation
from hasten.training.building import build
from hasten.training.final_weights import final_weights
from hasten.training.loop import train
from hasten.training.loss_scale import LossScale
from hasten.training.recipe import baseline
from hasten.training.running import plain_model
from hasten.training.transforms import Parameters, State, StepInfo

from tiny_tasks import mlp_task


class AverageZero:
    """A post-step whose averages are all zero."""

    def init(self, parameters: Parameters) -> State:
        return {"averages": {name: torch.zeros_like(one) for name, one in parameters.items()}}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        return None

    def averages(self, state: State) -> dict[str, torch.Tensor]:
        return state["averages"]


def test_a_run_is_judged_by_its_final_weights_and_trains_on_with_its_own() -> None:
    recipe = baseline(mlp_task())
    averaged = recipe.with_post_step(AverageZero())
    plain, run = build(recipe), build(averaged)
    losses = [[event for event in train(one) if isinstance(event, Evaluation)] for one in (plain, run)]
    assert losses[1][-1].valid_loss == pytest.approx(0.6931, abs=1e-4)  # two classes, all scores zero
    for mine, theirs in zip(plain.parameters, run.parameters, strict=True):
        assert torch.equal(mine, theirs)
    assert all(not parameter.any() for parameter in plain_model(run).parameters())


def test_the_trained_weights_come_back_after_a_failure() -> None:
    run = build(baseline(mlp_task()).with_post_step(AverageZero()))
    before = run.parameters[0].clone()
    with pytest.raises(RuntimeError, match="broke"), final_weights(run):
        assert not run.parameters[0].any()
        raise RuntimeError("broke")
    assert torch.equal(run.parameters[0], before)


def test_a_curriculum_sees_how_far_the_run_is_and_leaves_validation_alone() -> None:
    seen: list[tuple[float, int]] = []

    def halve(batch: tuple[torch.Tensor, ...], progress: float) -> tuple[torch.Tensor, ...]:
        seen.append((progress, len(batch[-1])))
        return tuple(column[: len(column) // 2] for column in batch)

    recipe = baseline(mlp_task(stop=Stop(steps=4)))
    run = build(replace(recipe, input=replace(recipe.input, curriculum=(halve,))))
    list(train(run))
    assert [progress for progress, _ in seen] == [0.0, 0.25, 0.5, 0.75]
    assert {rows for _, rows in seen} == {8}


def test_a_power_of_two_as_loss_scale_changes_no_bit_and_resumes() -> None:
    recipe = baseline(mlp_task())
    scaled = replace(recipe, backward=replace(recipe.backward, loss_scale=1024.0))
    plain, run = build(recipe), build(scaled)
    list(train(plain))
    list(train(run))
    for mine, theirs in zip(plain.parameters, run.parameters, strict=True):
        assert torch.equal(mine, theirs)
    assert run.scale is not None
    run.scale.value = 7.0
    other = build(scaled)
    other.load_state(run.state())
    assert other.scale == run.scale


def test_the_loss_scale_falls_on_infinity_and_grows_after_good_updates() -> None:
    scale = LossScale(value=8.0, grow_after=2)
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, float("inf")])
    assert not scale.unscale([parameter, nn.Parameter(torch.ones(1))])
    assert scale.value == 4.0
    for expected in (4.0, 8.0):
        parameter.grad = torch.tensor([8.0, 4.0])
        value = scale.value
        assert scale.unscale([parameter])
        assert torch.equal(parameter.grad, torch.tensor([8.0, 4.0]) / value)
        assert scale.value == expected
