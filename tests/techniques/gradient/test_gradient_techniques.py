"""Centralisation against its formula, and the guard against NaN."""

import pytest
import torch
from torch import nn

from hasten.base.errors import BadInput
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.gradient.centralise import centralise
from hasten.techniques.gradient.nonfinite_guard import Guard
from hasten.training.loop import step
from hasten.training.recipe import baseline
from hasten.training.session import build

from tiny_tasks import mlp_task, regression_task


def test_centralised_gradients_have_no_mean_per_unit() -> None:
    parameters = [nn.Parameter(torch.ones(shape)) for shape in ((4, 3), (5, 2, 3, 3), (6,), (2, 2))]
    for parameter in parameters[:-1]:
        parameter.grad = torch.randn(parameter.shape) + 3
    before = [None if parameter.grad is None else parameter.grad.clone() for parameter in parameters]
    assert centralise(parameters)
    for old, parameter in zip(before, parameters, strict=True):
        if old is None:
            assert parameter.grad is None
        elif old.ndim == 1:
            assert torch.equal(parameter.grad, old)
        else:
            for unit in range(len(old)):
                torch.testing.assert_close(parameter.grad[unit], old[unit] - old[unit].mean())


def test_centralise_refuses_a_model_without_matrices() -> None:
    task = regression_task(model=lambda: nn.PReLU())
    assert "no weight with several inputs" in make("centralise").refuse(baseline(task), facts())
    assert make("centralise").refuse(baseline(mlp_task()), facts()) is None


def test_the_guard_leaves_out_updates_counts_them_and_gives_up() -> None:
    guard, parameter = Guard(limit=1), nn.Parameter(torch.ones(2))
    for bad, usable in ((1.0, True), (float("nan"), False), (2.0, True), (float("inf"), False)):
        parameter.grad = torch.tensor([1.0, bad])
        assert guard([parameter, nn.Parameter(torch.ones(1))]) is usable
    assert (guard.skipped, guard.in_a_row) == (2, 1)
    with pytest.raises(BadInput, match=r"none in 2 steps in a row \(3 in all\)"):
        guard([parameter])


def test_a_skipped_update_leaves_the_weights() -> None:
    run = build(make("nonfinite_guard").apply(baseline(mlp_task())))
    before = [parameter.clone() for parameter in run.parameters]
    x, y = next(run.batches())[1]
    step(run, (x * float("inf"), y))
    for old, parameter in zip(before, run.parameters, strict=True):
        assert torch.equal(old, parameter)
    step(run, (x, y))
    assert not torch.equal(before[0], run.parameters[0])
