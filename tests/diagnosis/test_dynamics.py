"""What is recorded of the dynamics of a training, and that recording changes nothing."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import hasten
from hasten.base.records.dynamics import Dynamics
from hasten.base.seeds import seed_all


def batches(count: int = 4, rows: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for a classifier of 4 features and 3 classes."""
    for _ in range(count):
        yield torch.randn(rows, 4), torch.randint(0, 3, (rows,))


def classifier() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def plain(model: nn.Module) -> None:
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for inputs, targets in batches():
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


def accumulated(model: nn.Module) -> None:
    optimizer = optim.AdamW(model.parameters(), 1e-2)
    for number, (inputs, targets) in enumerate(batches(8)):
        (functional.cross_entropy(model(inputs), targets) / 2).backward()
        if number % 2:
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            optimizer.zero_grad()


def scaled(model: nn.Module) -> None:
    optimizer, scaler = optim.Adam(model.parameters(), 1e-2, fused=True), torch.amp.GradScaler("cpu")
    for inputs, targets in batches():
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(model(inputs), targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()


def lbfgs(model: nn.Module) -> None:
    optimizer = optim.LBFGS(model.parameters(), 0.1, max_iter=4)
    for inputs, targets in batches():

        def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)


def checkpointed(model: nn.Module) -> None:
    optimizer = optim.SGD(model.parameters(), 0.1)
    for reentrant in (False, True):
        for inputs, targets in batches():
            optimizer.zero_grad()
            output: Any = checkpoint(model, inputs.requires_grad_(), use_reentrant=reentrant)
            functional.cross_entropy(output, targets).backward()
            optimizer.step()


LOOPS = (plain, accumulated, scaled, lbfgs, checkpointed)


def trained(train: Callable[[nn.Module], None], watch: Any) -> list[Tensor]:
    """Return parameters, buffers and a random number after a training."""
    seed_all(3)
    model = classifier()
    with watch:
        train(model)
    return [*(one.detach() for one in model.parameters()), *model.buffers(), torch.rand(1)]


def dynamics(train: Callable[[nn.Module], None], model: nn.Module | None = None) -> Dynamics:
    """Return what was recorded of a training."""
    with hasten.diagnosing() as doctor:
        train(model or classifier())
    assert doctor.failed == {}
    found = doctor.seen().dynamics
    assert found is not None
    return found


@pytest.mark.parametrize("train", LOOPS)
def test_a_watched_training_is_the_same_bit_for_bit(train: Callable[[nn.Module], None]) -> None:
    doctor = hasten.diagnosing()
    pairs = zip(trained(train, nullcontext()), trained(train, doctor), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert doctor.failed == {}
    assert not nn.Module()._forward_hooks


def test_gradients_weights_and_updates_are_those_of_the_step() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    before = [one.detach().clone() for one in model.parameters()]
    found = dynamics(plain, model)
    assert [one.name for one in found.parameters] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert [one.kind for one in found.parameters][:1] == ["Linear"]
    for track, start in zip(found.parameters, before, strict=True):
        assert track.start == pytest.approx(float(start.square().mean().sqrt()))
        # the first update of SGD with momentum is learning rate times gradient
        assert track.update[0] == pytest.approx(0.1 * (track.gradient[0] or 0.0), rel=1e-5)
    assert (found.samples, found.rates, found.momentum) == ((1, 2, 3, 4), (0.1,) * 4, 0.9)


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_every_number_format_is_measured(precision: torch.dtype) -> None:
    def train(model: nn.Module) -> None:
        optimizer = optim.SGD(model.parameters(), 0.1)
        for inputs, targets in batches():
            optimizer.zero_grad()
            functional.cross_entropy(model(inputs.to(precision)), targets).backward()
            optimizer.step()

    found = dynamics(train, nn.Linear(4, 3).to(precision))
    assert all((norm or 0) > 0 for norm in found.norms)


def test_gradients_are_read_before_clipping() -> None:
    found = dynamics(accumulated)
    assert found.clip_limit == 0.1
    assert found.norms == pytest.approx(found.clip_norms, rel=1e-5)
    assert min(found.clip_norms) > 0.1  # type: ignore[type-var]


def test_losses_and_gradients_are_read_unscaled() -> None:
    found = dynamics(scaled)
    assert all(0.3 < (loss or 0) < 5 for loss in found.losses)
    assert all((norm or 0) < 100 for norm in found.norms)  # the scale starts at 65,536
    assert (found.scaled, found.skips) == (True, ())


def test_a_step_of_lbfgs_has_the_loss_of_its_first_evaluation() -> None:
    found = dynamics(lbfgs)
    assert len(found.losses) == 4
    assert all(0.3 < (loss or 0) < 5 for loss in found.losses)


def test_saved_tensors_that_hooks_unpack_are_not_read() -> None:
    assert dynamics(checkpointed).activations == ()


def test_the_chance_level_is_that_of_a_constant_output() -> None:
    criterion = dynamics(lambda model: plain(model)).criterion
    assert criterion is not None
    assert criterion.name == "NllLossBackward0"
    assert criterion.rows == 32
    assert 1.0 < (criterion.chance or 0.0) <= 1.0986123


def test_dead_units_are_seen_in_functional_code() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 3)
            nn.init.constant_(self.one.bias, -10)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.two(functional.relu(self.one(inputs)))

    relu = next(one for one in dynamics(plain, Functional()).activations if one.kind == "relu")
    assert (relu.name, relu.dead, relu.hidden, relu.units) == ("one.weight", (1.0,) * 4, True, 8)


def test_losses_of_evaluations_are_kept_apart() -> None:
    def train(model: nn.Module) -> None:
        for _ in range(2):
            plain(model.train())
            model.eval()
            with torch.no_grad():
                for inputs, targets in batches(2):
                    nn.CrossEntropyLoss()(model(inputs), targets)

    found = dynamics(train)
    assert [(one.step, one.batches) for one in found.evaluations] == [(4, 2), (7, 2)]
    assert len(found.losses) == 7  # a new optimizer counts the steps from its second update on


class TestNonfinite:
    """The first layer and step are found."""

    def test_a_batch_that_holds_nan(self) -> None:
        def train(model: nn.Module) -> None:
            optimizer = optim.SGD(model.parameters(), 0.1)
            for number, (inputs, targets) in enumerate(batches()):
                inputs[0, 0] = float("nan") if number == 2 else 0.0
                functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()

        found = dynamics(train).nonfinite
        assert found is not None
        assert (found.step, found.what, found.layer, found.inputs_finite) == (3, "loss", "0", False)

    def test_a_layer_that_divides_by_zero(self) -> None:
        class Divides(nn.Module):
            def forward(self, inputs: Tensor) -> Tensor:
                return inputs / (inputs - inputs.detach()).sum()

        found = dynamics(plain, nn.Sequential(nn.Linear(4, 8), Divides(), nn.Linear(8, 3))).nonfinite
        assert found is not None
        assert (found.step, found.layer, found.operation, found.inputs_finite) == (1, "1", "Divides", True)

    def test_a_gradient_that_breaks_under_a_finite_loss(self) -> None:
        class Root(nn.Module):
            def forward(self, inputs: Tensor) -> Tensor:
                return inputs + (inputs - inputs).sqrt()  # of 0, whose slope is infinite

        found = dynamics(plain, nn.Sequential(nn.Linear(4, 8), Root(), nn.Linear(8, 3))).nonfinite
        assert found is not None
        assert (found.step, found.what, found.layer) == (1, "gradient", "0.bias")
