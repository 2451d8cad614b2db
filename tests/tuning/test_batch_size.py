"""The batch size that speed, noise scale and branches choose."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn, optim
from torch.utils.data import IterableDataset, TensorDataset

import hasten
from hasten import Data, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.batch_choice import BatchChoice, BatchVerdict
from hasten.base.seeds import random_state, same_random_state
from hasten.machine import facts
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build, with_batch_size
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.tuning.rate import throughput
from hasten.tuning.rate.choose_batch import choose_batch_size, rate_power, speedup_from
from hasten.tuning.rate.noise import Lengths, lengths, noise_scale

from tiny_tasks import mlp_task, regression_task


@pytest.fixture(autouse=True)
def short_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten.tuning.rate.choose_batch.FEWEST_STEPS", 10)
    monkeypatch.setattr("hasten.tuning.budget.SHORTEST_S", 0.0)
    monkeypatch.setattr(throughput, "ROUNDS", 3)
    monkeypatch.setattr(throughput, "BLOCK_S", 0.002)


@pytest.fixture
def shortest_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what the branches show does not matter."""
    monkeypatch.setattr("hasten.tuning.rate.choose_batch.FEWEST_STEPS", 2)
    monkeypatch.setattr("hasten.tuning.rate.choose_batch.MOST_WIDENED", 0)


class Slope(nn.Module):
    """loss = weight @ x: the gradient of a sample is the sample."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def slope_task(mean: float, optimizer: str = "sgd", scale: float = 1.0) -> Task:
    x = (mean + torch.randn(4096, 20, generator=torch.Generator().manual_seed(0))) * torch.linspace(1, scale, 20)
    data = TensorDataset(x, torch.zeros(4096))
    return Task(
        name="slope",
        data=Data(train=data, valid=data),
        model=lambda: Slope(20),
        loss=lambda output, target: output.mean(),
        metric="loss",
        update=Update(optimizer=optimizer, lr=1e-9),
        batch_size=64,
        stop=Stop(steps=10),
    )


def measured(task: Task, steps: int = 0) -> float | None:
    run = build(baseline(task))
    batches = batches_in_turn(run)
    for _ in range(steps):
        step(run, next(batches))
    return noise_scale([lengths(run, [next(batches) for _ in range(8)]) for _ in range(6)])


def choice(task: Task, budget_s: float | None = None) -> BatchChoice:
    return choose_batch_size(baseline(task), facts(), budget=lambda planned_s: budget_s, show=lambda record: None)


def test_the_noise_scale_is_variance_over_squared_mean() -> None:
    assert measured(slope_task(0.5)) == pytest.approx(1 / 0.5**2, rel=0.4)
    assert measured(slope_task(0.1)) == pytest.approx(1 / 0.1**2, rel=0.4)


def test_an_adaptive_optimizer_does_not_see_the_scale_of_a_parameter() -> None:
    plain, scaled = (measured(slope_task(0.3, "adam", scale), steps=20) for scale in (1.0, 100.0))
    assert plain == pytest.approx(scaled, rel=0.05)


def test_noise_that_drowns_the_gradient_has_no_scale() -> None:
    assert noise_scale([Lengths(-1.0, 2.0, preconditioned=False)]) is None
    assert noise_scale([]) is None


@pytest.mark.parametrize("times", [0.7, 1.0, 1.5])
def test_a_difference_in_loss_is_read_as_time_on_the_own_curve(times: float) -> None:
    curves = [[2 + number - 0.3 * math.log(time) for time in (0.5, 1.0, 2.0)] for number in range(3)]
    reached = [2 + number - 0.3 * math.log(times) for number in range(3)]
    found = speedup_from(curves, reached)
    assert found is not None
    assert found.value == pytest.approx(times)


def test_no_speedup_is_read_where_the_loss_does_not_fall() -> None:
    assert speedup_from([[1.0, 1.1, 1.2]] * 3, [1.0] * 3) is None
    assert speedup_from([[1.0, 0.9, 0.8]] * 3, [math.inf, 0.9, 0.9]) is None


def test_rates_are_rescaled_linearly_for_gradient_descent_only() -> None:
    weight = [nn.Parameter(torch.zeros(1))]
    assert rate_power(optim.SGD(weight, lr=0.1)) == 1
    assert rate_power(optim.AdamW(weight)) == 0.5


def test_another_size_reads_the_same_samples_with_the_same_model() -> None:
    run = build(baseline(regression_task()))
    other = with_batch_size(run, 5)
    assert other.model is run.model
    assert other.optimizer is run.optimizer
    ten = next(iter(run.batches()))[0]
    fives = [ids for ids, _ in zip((ids for ids, _ in other.batches()), range(1), strict=False)]
    assert torch.equal(ten[:5], fives[0])


@pytest.mark.usefixtures("shortest_branches")
def test_a_size_that_runs_out_of_memory_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(run: Any, batch: Any, *rest: Any) -> Any:
        if len(batch[0]) > 16:
            raise torch.OutOfMemoryError("planted")
        return step(run, batch, *rest)

    monkeypatch.setattr(throughput, "step", limited)
    found = choice(mlp_task(samples=400))
    assert max(one.size for one in found.tried if one.fits) == 16
    assert [one.size for one in found.tried if not one.fits] == [32]
    assert found.size <= 16


def test_a_size_predicted_not_to_fit_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "available_bytes", lambda run, machine: 0)
    run = build(baseline(mlp_task(samples=400)))
    fits, too_large = throughput.sizes_that_fit(run, facts(), longest_step_s=1.0)
    assert [one.size for one in fits] == [1, 2]
    assert too_large == [4]


def test_a_tiny_batch_is_replaced_by_one_that_was_run() -> None:
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(4000, 16, generator=draws)
    y = x @ torch.randn(16, 1, generator=draws) + 0.5 * torch.randn(4000, 1, generator=draws)
    task = regression_task(
        data=Data(train=TensorDataset(x[500:], y[500:]), valid=TensorDataset(x[:500], y[:500])),
        model=lambda: nn.Linear(16, 1),
        update=Update(optimizer="sgd", lr=0.003),
        batch_size=1,
        stop=Stop(steps=4000),
    )
    found = choice(task)
    assert found.verdict is BatchVerdict.BETTER
    (run,) = [one for one in found.tried if one.size == found.size]
    assert run.loss is not None
    assert found.size > 1
    assert found.rate_factor > 1
    assert found.steps_factor == 1 / found.size


def test_labels_of_pure_noise_keep_the_size() -> None:
    x, y = torch.randn(192, 4, generator=torch.Generator().manual_seed(0)), torch.arange(192) % 2
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x.flip(0), y))
    update = Update(optimizer="sgd", lr=0.01)
    found = choice(mlp_task(data=data, model=lambda: nn.Linear(4, 2), batch_size=32, update=update))
    assert found.verdict is BatchVerdict.KEEP
    assert found.size == 32
    assert "keep" in found.sentence


def test_a_stream_keeps_its_batches() -> None:
    class Endless(IterableDataset[Any]):
        def __iter__(self) -> Any:
            while True:
                yield torch.randn(5), 0

    x = torch.randn(20, 5)
    data = Data(train=Endless(), valid=TensorDataset(x, torch.zeros(20).long()), steps_per_epoch=5)
    found = choice(mlp_task(data=data))
    assert found.verdict is BatchVerdict.FIXED
    assert found.size == 8
    assert "cannot be changed" in found.sentence


@pytest.mark.usefixtures("shortest_branches")
def test_nothing_is_left_behind() -> None:
    before = random_state()
    hasten.find_batch_size(replace(mlp_task(dropout=0.3), stop=Stop(steps=5)))
    assert same_random_state(before, random_state())


def test_a_budget_too_small_is_refused() -> None:
    with pytest.raises(BadInput, match="too small"):
        choice(mlp_task(), budget_s=1e-6)


def test_a_rate_that_is_too_small_is_not_taken_for_a_batch_that_is_too_small() -> None:
    task = slope_task(1.0)
    losses = TensorDataset(*(one[:256] for one in task.data.train.tensors))
    found = choice(replace(task, data=Data(train=losses, valid=losses), update=Update(optimizer="sgd", lr=1e-6)))
    assert found.own_rate_factor is not None
    assert found.own_rate_factor > 8
