"""Every schedule equals torch's own, step by step."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.optim import SGD, lr_scheduler

from hasten import Schedule, Stop, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import StopReason
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.schedule import factor_of, plateau_of
from hasten.training.stopping import converged

from tiny_tasks import mlp_task


def torch_rates(make, total: int) -> list[float]:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("total", [2, 7, 100])
@pytest.mark.parametrize(
    ("schedule", "twin"),
    [
        (Schedule(name="exponential", options={"gamma": 0.9}), lambda o, n: lr_scheduler.ExponentialLR(o, 0.9)),
        (Schedule(name="step", options={"gamma": 0.5, "every": 3}), lambda o, n: lr_scheduler.StepLR(o, 3, 0.5)),
        (Schedule(name="cosine"), lambda o, n: lr_scheduler.CosineAnnealingLR(o, n)),
        (Schedule(name="linear"), lambda o, n: lr_scheduler.LinearLR(o, 1.0, 0.0, n)),
        (
            Schedule(name="one_cycle", options={"peak": 1.0}),
            lambda o, n: lr_scheduler.OneCycleLR(o, 1.0, total_steps=n, cycle_momentum=False),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Schedule) else "",
)
def test_equals_torch(schedule: Schedule, twin, total: int) -> None:
    factor = factor_of(schedule, total)
    mine = [factor(step) for step in range(total)]
    assert mine == pytest.approx(torch_rates(lambda optimizer: twin(optimizer, total), total), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(warmup=st.integers(1, 50), total=st.integers(60, 300))
def test_warmup_rises_in_a_line_and_the_schedule_follows(warmup: int, total: int) -> None:
    factor = factor_of(Schedule(name="cosine", warmup=warmup), total)
    rise = [factor(step) for step in range(warmup)]
    assert rise == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert factor(warmup) == pytest.approx(1.0)
    rest = [factor(step) for step in range(warmup, total)]
    assert all(a >= b for a, b in pairwise(rest))
    assert math.isclose(factor(total), 0, abs_tol=1e-12)


def test_plateau_equals_torch() -> None:
    losses = [1.0, 0.5, 0.5, 0.5, 0.5, 0.49, 0.49, 0.49, 0.49, 0.49, 0.2]
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    twin = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    mine = plateau_of(Schedule(name="plateau", options={"factor": 0.5, "patience": 2}))
    for loss in losses:
        twin.step(loss)
        mine.see(loss)
        assert mine.scale == pytest.approx(optimizer.param_groups[0]["lr"])


@settings(max_examples=200, deadline=None)
@given(
    losses=st.lists(st.integers(50, 150).map(lambda value: value / 100), min_size=1, max_size=30),
    factor=st.sampled_from([0.1, 0.5]),
    patience=st.integers(0, 3),
    threshold=st.sampled_from([1e-4, 0.05, 0.3]),
)
@example(losses=[1.0, 0.72], factor=0.5, patience=0, threshold=0.3)  # between the old loss and the new as the measure
def test_plateau_equals_torch_with_any_threshold(
    losses: list[float], factor: float, patience: int, threshold: float
) -> None:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    twin = lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience, threshold=threshold, eps=0.0)
    mine = plateau_of(Schedule("plateau", options={"factor": factor, "patience": patience, "threshold": threshold}))
    for loss in losses:
        twin.step(loss)
        mine.see(loss)
        assert mine.scale == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("before", "now", "flat"),
    [(1.0, 0.9, True), (1.0, 0.89, False), (0.9, 1.0, False), (1.0, 1.1, True), (-1.0, -1.1, True), (1.0, None, False)],
)
def test_stop_at_a_plateau_is_relative_to_the_earlier_loss(before: float, now: float | None, flat: bool) -> None:
    run = build(baseline(mlp_task(stop=Stop(epochs=9, plateau=0.1000001))))
    run.stop_state.train_loss = before
    assert converged(run) is None
    run.stop_state.train_loss_before, run.stop_state.train_loss = before, now
    assert converged(run) is (StopReason.PLATEAU if flat else None)


def test_fixed_costs_nothing() -> None:
    assert factor_of(Schedule(), 100) is None


def test_errors_name_what_is_known() -> None:
    with pytest.raises(BadInput, match="Did you mean cosine"):
        Schedule(name="cosin")
    with pytest.raises(BadInput, match="Known: every, gamma"):
        Schedule(name="step", options={"gama": 1})
    with pytest.raises(BadInput, match="0 or more steps"):
        Schedule(warmup=-1)


def test_a_schedule_per_epoch_moves_at_the_end_of_each_epoch() -> None:
    schedule = Schedule(function=lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.5), per="epoch")
    task = mlp_task(samples=50, batch_size=20, update=Update(optimizer="sgd", lr=1.0, schedule=schedule))
    run, rates = build(baseline(task)), list[float]()
    for _ in range(8):
        run.set_learning_rate()
        rates.append(run.optimizer.param_groups[0]["lr"])
        run.advance(20 if run.position.offset < 40 else 10, 0.0)
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_what_moves_a_schedule_is_checked() -> None:
    with pytest.raises(BadInput, match='must be "step" or "epoch"; found \'batch\''):
        Schedule(function=lambda step: 1.0, per="batch")
    with pytest.raises(BadInput, match="only a schedule made of a function can move once per epoch; found 'cosine'"):
        Schedule("cosine", per="epoch")
