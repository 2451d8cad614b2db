"""A watched training is the same bit for bit, and its events tell what happened."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten.base.errors import HastenWarning
from hasten.base.seeds import seed_all
from hasten.diagnosis.watching.copies import aside
from hasten.diagnosis.watching.events import Call, Collector
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.scripts.watch import StopScript


class Noting(Collector):
    """Notes the names of the events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def step_begins(self, step: int) -> None:
        self.events.append(f"step {step}")

    def call_ended(self, call: Call, output: Any) -> None:
        self.events.append("forward" if call.training and call.grad else "evaluation")

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        self.events.append("backward")

    def clip_begins(self, parameters: Sequence[Tensor], limit: float) -> None:
        self.events.append(f"clip {limit}")

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        self.events.append("update")

    def zeroed(self, owner: object) -> None:
        self.events.append("zeroed")


def trained(watch: Callable[[], Any], *, steps: int = 3, every: int = 1) -> tuple[list[Tensor], Any]:
    """Train a small model and return its parameters and what watched it."""
    seed_all(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    data = TensorDataset(torch.randn(8 * steps * every, 4), torch.randint(0, 2, (8 * steps * every,)))
    with watch() as watched:
        for number, (inputs, targets) in enumerate(DataLoader(data, 8, shuffle=True)):
            (nn.functional.cross_entropy(model(inputs), targets) / every).backward()
            if (number + 1) % every == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            model(data.tensors[0])
    return [one.detach() for one in model.parameters()], watched


def test_events_come_in_the_order_of_the_step() -> None:
    noting = Noting()
    trained(lambda: TrainingWatch([noting]), steps=2, every=2)
    step = ["forward", "backward", "forward", "backward", "clip 1.0", "update", "zeroed"]
    assert noting.events == ["step 1", *step, "step 2", *step, "evaluation"]


def test_a_watched_training_is_the_same_bit_for_bit() -> None:
    from contextlib import nullcontext

    plain, _ = trained(nullcontext)
    watched, doctor = trained(hasten.diagnosing)
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))
    assert (doctor.failed, doctor.steps) == ({}, 3)


def test_everything_is_undone() -> None:
    before = nn.Module.__call__, torch.autograd.backward, nn.utils.clip_grad_norm_, optim.Optimizer.zero_grad
    trained(hasten.diagnosing)
    assert before == (nn.Module.__call__, torch.autograd.backward, nn.utils.clip_grad_norm_, optim.Optimizer.zero_grad)


def test_a_collector_that_fails_is_told_of_and_harms_nothing() -> None:
    class Failing(Collector):
        def update_begins(self, optimizer: optim.Optimizer) -> None:
            raise RuntimeError("a bug of ours")

    noting = Noting()
    _, watch = trained(lambda: TrainingWatch([Failing(), noting]))
    assert "a bug of ours" in watch.failed["Failing"]
    assert noting.events.count("update") == 3


def test_a_limit_ends_the_training_before_the_next_step() -> None:
    noting = Noting()
    with pytest.raises(StopScript):
        trained(lambda: TrainingWatch([noting], steps=2))
    assert noting.events.count("update") == 2


def test_the_events_of_scaler_and_schedule_are_told_once() -> None:
    class Told(Collector):
        def __init__(self) -> None:
            self.events: list[str] = []

        def scaled(self, scaler: Any) -> None:
            self.events.append("scaled")

        def unscaled(self, optimizer: optim.Optimizer) -> None:
            self.events.append("unscaled")

        def scaled_update(self, optimizer: optim.Optimizer) -> None:
            self.events.append("attempt")

        def update_ended(self, optimizer: optim.Optimizer) -> None:
            self.events.append("update")

        def schedule_stepped(self, scheduler: Any) -> None:
            self.events.append(type(scheduler).__name__)

        def called_inside(self, module: nn.Module) -> None:
            self.events.append("inside")

    told = Told()
    with TrainingWatch([told]) as watch:
        model = nn.Sequential(nn.Linear(2, 1))
        optimizer = optim.SGD(model.parameters(), 0.1)
        parts = [optim.lr_scheduler.LinearLR(optimizer), optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]
        schedule = optim.lr_scheduler.SequentialLR(optimizer, parts, milestones=[1])
        plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
        scaler.scale(model(torch.ones(1, 2)).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        schedule.step()
        plateau.step(0.0)
    assert told.events == [
        "inside", "scaled", "unscaled", "attempt", "update", "SequentialLR", "ReduceLROnPlateau"
    ]  # fmt: skip
    assert watch.complete


def test_a_second_optimizer_updates_in_the_step_of_the_first() -> None:
    noting = Noting()
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizers = [optim.SGD(one.parameters(), 0.1) for one in model]
    with TrainingWatch([noting]) as watch:
        for _ in range(2):
            model(torch.ones(1, 2)).sum().backward()
            for one in optimizers:
                one.step()
    step = ["forward", "backward", "update", "update"]
    assert [event for event in noting.events if event[:4] != "zero"] == ["step 1", *step, "step 2", *step]
    assert watch.steps == 2


def test_a_summed_loss_whose_backward_pass_divides_by_its_count_is_a_mean() -> None:
    model = nn.Linear(4, 3)
    optimizer = optim.SGD(model.parameters(), 0.1)
    inputs, targets = torch.randn(8, 4), torch.arange(8) % 3
    means: list[float] = []
    with hasten.diagnosing() as doctor:
        for _ in range(3):
            loss = nn.functional.cross_entropy(model(inputs), targets, reduction="sum")
            means.append(loss.item() / 8)
            loss.backward(torch.tensor(1 / 8))
            optimizer.step()
            optimizer.zero_grad()
    dynamics = doctor.seen().dynamics
    assert dynamics is not None
    assert dynamics.losses == pytest.approx(means)
    assert dynamics.criterion is not None
    assert dynamics.criterion.reduction == "mean"


def test_a_diagnosis_warns_of_a_collector_that_failed() -> None:
    _, doctor = trained(hasten.diagnosing)
    doctor.failed["DataCollector"] = "Traceback\nRuntimeError: a bug of ours"
    with pytest.warns(HastenWarning, match="DataCollector failed .* RuntimeError: a bug of ours"):
        doctor.diagnosis()


def test_without_an_optimizer_the_verdict_says_that_little_was_seen() -> None:
    model = nn.Linear(4, 1)
    with hasten.diagnosing() as doctor:
        for _ in range(3):
            loss = nn.functional.mse_loss(model(torch.ones(8, 4)), torch.zeros(8, 1))
            model.weight.data -= 0.1 * torch.autograd.grad(loss, model.weight)[0]
    verdict = doctor.diagnosis().verdict
    assert "no optimizer of torch made an update" in verdict


def test_copies_of_a_model_give_no_warnings_and_hide_none() -> None:
    def warned() -> None:
        warnings.warn("of the model", stacklevel=1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with aside():
            warned()
        assert not caught
        warned()
    assert [str(one.message) for one in caught] == ["of the model"]
