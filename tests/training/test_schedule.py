"""Every schedule equals torch's own, step by step."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD, lr_scheduler

from hasten import Schedule
from hasten.base.errors import BadInput
from hasten.training.schedule import factor_of, plateau_of


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


def test_fixed_costs_nothing() -> None:
    assert factor_of(Schedule(), 100) is None


def test_errors_name_what_is_known() -> None:
    with pytest.raises(BadInput, match="Did you mean cosine"):
        Schedule(name="cosin")
    with pytest.raises(BadInput, match="Known: every, gamma"):
        Schedule(name="step", options={"gama": 1})
    with pytest.raises(BadInput, match="0 or more steps"):
        Schedule(warmup=-1)
