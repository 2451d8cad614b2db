"""Centralization against its formula, and the guard against NaN."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import hasten
from hasten import Choice, Data, Plan, Update
from hasten.base.errors import BadInput
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.gradient.centralize import centralize
from hasten.techniques.gradient.clip import clip_adaptively, clip_by_norm, clip_by_value
from hasten.techniques.gradient.nonfinite_guard import Guard
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.training.transforms import Stateless, StepInfo

from tiny_tasks import mlp_task, regression_task


def test_centralized_gradients_have_no_mean_per_unit() -> None:
    parameters = [nn.Parameter(torch.ones(shape)) for shape in ((4, 3), (5, 2, 3, 3), (6,), (2, 2))]
    for parameter in parameters[:-1]:
        parameter.grad = torch.randn(parameter.shape) + 3
    before = [None if parameter.grad is None else parameter.grad.clone() for parameter in parameters]
    assert centralize(dict(enumerate(parameters)))
    for old, parameter in zip(before, parameters, strict=True):
        if old is None:
            assert parameter.grad is None
        elif old.ndim == 1:
            assert torch.equal(parameter.grad, old)
        else:
            for unit in range(len(old)):
                torch.testing.assert_close(parameter.grad[unit], old[unit] - old[unit].mean())


def test_centralize_refuses_a_model_without_matrices() -> None:
    task = regression_task(model=lambda: nn.PReLU())
    assert "no weight with several inputs" in make("centralize").refuse(baseline(task), facts())
    assert make("centralize").refuse(baseline(mlp_task()), facts()) is None


def test_the_guard_leaves_out_updates_counts_them_and_gives_up() -> None:
    guard, parameter = Guard(limit=1), nn.Parameter(torch.ones(2))
    both = {"p": parameter, "q": nn.Parameter(torch.ones(1))}
    state = guard.init(both)
    for bad, usable in ((1.0, True), (float("nan"), False), (2.0, True), (float("inf"), False)):
        parameter.grad = torch.tensor([1.0, bad])
        assert guard.update(both, state, StepInfo(0, 0.0)) is usable
    assert state == {"skipped": 2, "in_a_row": 1}
    with pytest.raises(BadInput, match=r"not finite in 2 steps in a row, up to step 8 \(3 in all\)"):
        guard.update(both, state, StepInfo(7, 0.5))


def test_a_skipped_update_leaves_the_weights() -> None:
    run = build(make("nonfinite_guard").apply(baseline(mlp_task())))
    before = [parameter.clone() for parameter in run.parameters]
    x, y = next(run.batches())[1]
    step(run, (x * float("inf"), y))
    for old, parameter in zip(before, run.parameters, strict=True):
        assert torch.equal(old, parameter)
    step(run, (x, y))
    assert not torch.equal(before[0], run.parameters[0])


STEPS = {
    "clip_norm": Stateless(partial(clip_by_norm, max_norm=0.1)),
    "clip_value": Stateless(partial(clip_by_value, limit=0.01)),
    "clip_adaptive": Stateless(partial(clip_adaptively, share=0.01, smallest=1e-3)),
    "centralize": Stateless(centralize),
    "nonfinite_guard": Guard(limit=0),
}


@pytest.mark.parametrize("name", STEPS)
def test_sparse_gradients_are_treated_as_the_dense_ones_with_the_same_numbers(name: str) -> None:
    tokens = torch.tensor([[3, 3, 7], [0, 7, 3]])  # rows that are looked up several times
    found: list[torch.Tensor] = []
    for sparse in (True, False):
        torch.manual_seed(0)
        layer = nn.Embedding(11, 4, sparse=sparse)
        (layer(tokens) * torch.arange(24.0).view(2, 3, 4)).sum().backward()
        before = layer.weight.grad.to_dense().clone()
        named = {"weight": layer.weight}
        assert STEPS[name].update(named, STEPS[name].init(named), StepInfo(0, 0.0))
        found.append(layer.weight.grad.to_dense())
        assert name == "nonfinite_guard" or not torch.equal(found[-1], before)
    torch.testing.assert_close(*found)


def test_the_guard_sees_infinity_in_a_sparse_gradient() -> None:
    layer = nn.Embedding(11, 4, sparse=True)
    (layer(torch.tensor([2, 5])) * torch.tensor([[1.0], [float("inf")]])).sum().backward()
    named, guard = {"weight": layer.weight}, Guard(limit=1)
    assert not guard.update(named, guard.init(named), StepInfo(0, 0.0))


@pytest.mark.parametrize("name", ["clip_norm", "clip_value", "clip_adaptive", "centralize", "nonfinite_guard"])
def test_a_model_with_sparse_gradients_of_its_own_trains(name: str) -> None:
    x = torch.randint(0, 50, (40, 3), generator=torch.Generator().manual_seed(0))

    def model() -> nn.Module:
        return nn.Sequential(nn.Embedding(50, 4, sparse=True), nn.Flatten(), nn.Linear(12, 2))

    data = Data(train=TensorDataset(x, x[:, 0] % 2), valid=TensorDataset(x[:9], x[:9, 0] % 2))
    task = mlp_task(data=data, model=model, update=Update(optimizer="sgd", lr=0.1))
    plan = Plan(task=task.name, choices=(Choice(technique=name),))
    assert hasten.train(task, plan, runs=None).result.steps > 0


@pytest.mark.parametrize(("name", "knobs"), [("clip_norm", {"max_norm": 0.05}), ("clip_value", {"limit": 0.01})])
def test_gradients_are_unscaled_before_anything_looks_at_them(name: str, knobs: dict[str, float]) -> None:
    """A power of two as loss scale changes no bit, so clipping must give the bits that it gives without one."""
    recipe = make(name, knobs).apply(baseline(mlp_task(update=Update(optimizer="sgd", lr=0.1))))
    plain, scaled = build(recipe), build(recipe.with_backward(loss_scale=2.0**16))
    for run in (plain, scaled):
        list(train(run))
    for mine, theirs in zip(scaled.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)
