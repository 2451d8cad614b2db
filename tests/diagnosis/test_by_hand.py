"""Loops that update their parameters themselves, without an optimizer of torch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

import hasten
from hasten.base.records.health import Health
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.watching import by_hand, hooks

Update = Callable[[Tensor, Tensor], object]
"""Changes a parameter, given its gradient."""


def down(rate: float) -> Update:
    def update(weight: Tensor, gradient: Tensor) -> None:
        weight -= rate * gradient

    return update


def data_down(rate: float) -> Update:
    def update(weight: Tensor, gradient: Tensor) -> None:
        weight.data -= rate * gradient

    return update


def line(update: Update, *, steps: int = 80, clears: bool = True) -> tuple[Health, Tensor]:
    """Fit a line by tensors alone."""
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(64, 1)
    weight, bias = torch.zeros(3, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    with hasten.diagnosing() as doctor:
        for _ in range(steps):
            F.mse_loss(x @ weight + bias, y).backward()
            with torch.no_grad():
                for one in (weight, bias):
                    assert one.grad is not None
                    update(one, one.grad)
                    if clears:
                        one.grad.zero_()
    assert doctor.failed == {}
    return doctor.seen(), weight


def network(update: Update, steps: int = 80) -> Health:
    """Train a network in a loop over its parameters, and evaluate it."""
    torch.manual_seed(0)
    inputs = torch.randn(320, 8)
    labels = (inputs[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    with hasten.diagnosing() as doctor:
        for step in range(steps):
            rows = torch.randint(300, (32,))
            model.zero_grad()
            F.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            with torch.no_grad():
                for one in model.parameters():
                    assert one.grad is not None
                    update(one, one.grad)
                if step % 20 == 19:
                    F.cross_entropy(model(inputs[300:]), labels[300:])
    assert doctor.failed == {}
    return doctor.seen()


def named(health: Health) -> set[str]:
    return {one.symptom for one in diagnose_health(health).findings}


@pytest.mark.parametrize("update", [down(0.1), data_down(0.1)])
def test_updates_of_a_loop_are_steps_with_their_rate(update: Update) -> None:
    health, weight = line(update)
    assert health.steps == 80
    assert health.dynamics is not None
    assert health.dynamics.optimizers == ("ByHand",)
    assert len(health.dynamics.losses) == 80
    rates = [one for one in health.dynamics.rates if one is not None]
    assert rates
    assert rates == pytest.approx([0.1] * len(rates), rel=1e-3)
    assert named(health) == set()
    expected = line_without_doctor(update)
    assert torch.equal(weight.detach(), expected)


def line_without_doctor(update: Update) -> Tensor:
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(64, 1)
    weight, bias = torch.zeros(3, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    for _ in range(80):
        F.mse_loss(x @ weight + bias, y).backward()
        with torch.no_grad():
            for one in (weight, bias):
                assert one.grad is not None
                update(one, one.grad)
                one.grad.zero_()
    return weight.detach()


def test_a_network_in_a_loop_over_its_parameters_is_healthy() -> None:
    health = network(down(0.3))
    assert health.steps == 80
    assert named(health) == set()


def test_steps_up_the_gradient_are_named() -> None:
    assert "loss_sign" in named(line(down(-0.01))[0])


def test_a_rate_that_is_too_large_is_named() -> None:
    assert named(line(down(3.0))[0]) & {"update_too_large", "diverging", "nonfinite"}


def test_gradients_that_are_not_cleared_are_named_first() -> None:
    health, _ = line(down(0.1), clears=False)
    found = diagnose_health(health).findings
    assert [one.symptom for one in found][:1] == ["gradients_not_cleared"]


def test_a_parameter_that_the_loop_forgets_is_named() -> None:
    health = network(lambda one, slope: one.sub_(0.3 * slope) if one.ndim == 2 else None)
    assert "parameter_unchanged" in named(health)


def test_what_is_accumulated_by_hand_is_no_update() -> None:
    model = nn.Linear(4, 2)
    optimizer = optim.SGD(model.parameters(), 0.1)
    with hasten.diagnosing() as doctor:
        for _ in range(20):
            for _ in range(3):
                (F.mse_loss(model(torch.randn(8, 4)), torch.zeros(8, 2)) / 3).backward()
            optimizer.step()
            optimizer.zero_grad()
    health = doctor.seen()
    assert health.steps == 20
    assert health.dynamics is not None
    assert health.dynamics.optimizers == ("SGD",)


def test_an_optimizer_takes_over_from_changes_by_hand() -> None:
    weight = torch.ones(4, 2, requires_grad=True)
    optimizer = optim.SGD([weight], 0.1)
    with hasten.diagnosing() as doctor:
        for step in range(30):
            optimizer.zero_grad()
            F.mse_loss(torch.randn(8, 4) @ weight, torch.zeros(8, 2)).backward()
            if step < 5:
                with torch.no_grad():
                    assert weight.grad is not None
                    weight -= 0.1 * weight.grad
            else:
                optimizer.step()
    health = doctor.seen()
    assert health.dynamics is not None
    assert "SGD" in health.dynamics.optimizers
    assert health.steps >= 25


def test_large_leaves_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "LARGEST", 2)
    assert line(down(0.1), steps=10)[0].dynamics is None or line(down(0.1), steps=10)[0].steps <= 1


def test_after_many_steps_a_loop_runs_without_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "HAND_STEPS", 10)
    plain = torch.autograd.backward
    weight = torch.ones(4, 1, requires_grad=True)
    with hasten.diagnosing() as doctor:
        for step in range(30):
            F.mse_loss(torch.ones(8, 4) @ weight, torch.zeros(8, 1)).backward()
            assert (torch.autograd.backward is plain) is (step >= 10)
            with torch.no_grad():
                assert weight.grad is not None
                weight -= 0.1 * weight.grad
            weight.grad = None
    health = doctor.seen()
    assert health.steps == 10
    assert not health.complete
