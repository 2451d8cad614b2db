import mmap
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hasten.machine.facts import facts
from hasten.measurement.memory import peak_memory
from hasten.profiling import memory
from hasten.profiling.memory import memory_account, slope_of
from hasten.profiling.peak_model import PeakModel, Watched, peak_model
from hasten.profiling.stepping import one_batch, resized
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.task import Task

MakeTask = Callable[..., Task]


class Pictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs.view(-1, 1, 4, 4))


class Hoarding(nn.Module):
    """Keeps what it should let go."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)
        self.kept: list[mmap.mmap] = []

    def forward(self, inputs: Tensor) -> Tensor:
        pages = mmap.mmap(-1, 1 << 20)  # pages of its own: the heap may hold memory that earlier tests freed
        pages.write(bytes(len(pages)))
        self.kept.append(pages)
        return self.layer(inputs)


def warm(task: Task) -> Session:
    run = build(baseline(task))
    step(run, one_batch(run))
    return run


@pytest.mark.parametrize("model", [Pictures, lambda: nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 4))])
def test_two_small_steps_tell_the_peak_of_any_larger_one(make_task: MakeTask, model: Callable[[], nn.Module]) -> None:
    run = warm(make_task(model=model))
    batch = one_batch(run)
    found = peak_model(run, batch, (8, 16))
    assert found.exact
    for size in (32, 200, 1000):
        larger = resized(batch, size)
        measured = peak_memory(lambda larger=larger: step(run, larger)).peak_bytes
        assert found.peak_bytes(size) == pytest.approx(measured, rel=0.02)


def test_the_largest_batch_is_the_last_that_fits() -> None:
    model = PeakModel(Watched(1, 100, (10, -5)), Watched(2, 100, (20, -10)))
    assert model.peak_bytes(5) == 150
    assert model.largest(150, most=100) == 5
    assert model.largest(149, most=100) == 4
    assert model.largest(1e9, most=100) == 100
    assert model.largest(50, most=100) == 0


def test_courses_of_different_length_leave_the_peaks() -> None:
    model = PeakModel(Watched(1, 100, (10,)), Watched(2, 100, (10, 10)))
    assert not model.exact
    assert model.peak_bytes(3) == 130


@pytest.mark.parametrize("second", [(20,), (20, 0)])
def test_what_the_step_leaves_alone_is_in_the_peak(second: tuple[int, ...]) -> None:
    first = Watched(1, 100, (10,), unwatched_bytes=1000)
    model = PeakModel(first, Watched(2, 100, second, unwatched_bytes=1002))
    assert model.peak_bytes(5) == 100 + 50 + 1008


def test_frozen_parameters_have_no_gradients_in_the_account(make_task: MakeTask) -> None:
    task = make_task()

    def model() -> nn.Module:
        made = task.model()
        next(iter(made.parameters())).requires_grad_(False)
        return made

    found = memory_account(warm(replace(task, model=model)), facts(), activation_bytes=0, step_s=1e-3, budget_s=0.1)
    assert found.parameters - found.gradients == 4 * 16 * 32
    assert found.predicted_peak == pytest.approx(found.measured_peak, rel=0.01)


def test_the_account_of_a_step(make_task: MakeTask) -> None:
    run = warm(make_task())
    found = memory_account(run, facts(), activation_bytes=1234, step_s=1e-3, budget_s=0.1)
    numbers = 16 * 32 + 32 + 32 * 4 + 4
    assert found.parameters == found.gradients == 4 * numbers
    assert found.optimizer_state == 2 * 4 * numbers + 4 * 4  # two moments, and a counter for each of four tensors
    assert found.activations == 1234
    assert found.inputs == 32 * (16 * 4 + 8)
    assert found.predicted_peak == pytest.approx(found.measured_peak, rel=0.01)
    assert found.verified_batch == found.largest_batch == 256  # all the training data
    assert found.verified_predicted == pytest.approx(found.verified_peak, rel=0.01)
    assert found.available > found.measured_peak
    assert (found.reserved, found.retries, found.remark) == (None, None, "")
    over = {one.name: one for one in found.over_step}
    assert list(over) == ["forward", "loss", "backward", "gradient", "update"]
    assert max(one.peak_bytes for one in found.over_step) == found.measured_peak
    assert over["forward"].end_bytes > over["update"].end_bytes  # activations and gradients are gone


def test_no_batch_is_tried_that_would_not_fit(make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    run = warm(make_task(samples=2048))
    here = peak_memory(lambda: step(run, one_batch(run))).peak_bytes
    monkeypatch.setattr(memory, "available_bytes", lambda run, machine: here)
    found = memory_account(run, facts(), activation_bytes=0, step_s=1e-3, budget_s=10.0)
    assert 32 < found.largest_batch < 2048
    assert found.verified_batch == found.largest_batch
    assert found.verified_peak <= 0.95 * found.available


def test_running_out_of_memory_is_told_and_survived(make_task: MakeTask) -> None:
    class Limited(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            if len(inputs) > 100:
                raise torch.OutOfMemoryError("tried to allocate too much")
            return self.layer(inputs)

    run = warm(make_task(model=Limited))
    found = memory_account(run, facts(), activation_bytes=0, step_s=1e-3, budget_s=1.0)
    assert found.verified_batch == 0
    assert "was predicted to fit and ran out of memory" in found.remark
    step(run, one_batch(run))


def test_memory_that_stays_behind_is_seen(make_task: MakeTask) -> None:
    slope = memory.growth_per_step(warm(make_task(model=Hoarding)))
    assert slope is not None
    assert slope.value == pytest.approx(1 << 20, rel=0.2)
    assert slope.low > 0


def test_a_step_that_keeps_nothing_does_not_grow(make_task: MakeTask) -> None:
    slope = memory.growth_per_step(warm(make_task()))
    assert slope is not None
    assert slope.low < 1024


def test_the_slope_leaves_out_the_warm_up_that_fills_caches() -> None:
    filling = [10**6 * step for step in range(10)] + [10**7] * 20
    slope = slope_of(filling)
    assert slope is not None
    assert (slope.low, slope.value, slope.high) == (0.0, 0.0, 0.0)


def test_the_slope_of_noise_contains_nothing() -> None:
    noise = (1e9 + np.random.default_rng(0).normal(0, 1e4, 60)).astype(int).tolist()
    slope = slope_of(noise)
    assert slope is not None
    assert slope.low < 0 < slope.high
    assert slope_of(noise[:10]) is None
