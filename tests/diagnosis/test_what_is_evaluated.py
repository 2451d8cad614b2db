"""Faults of evaluations and of what schedules do with their results: each is named, and no hard negative is."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

from hasten.base.records.finding import Finding
from hasten.base.seeds import seed_all
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.registry import Tier
from hasten.pipeline.diagnosing import Diagnosing

ROWS, COLUMNS, CLASSES = 320, 8, 3


def table(rows: int = ROWS) -> tuple[Tensor, Tensor]:
    """Return inputs and classes that depend on them."""
    x = torch.randn(rows, COLUMNS)
    return x, (x @ torch.randn(COLUMNS, CLASSES)).argmax(1)


def network(outputs: int = CLASSES) -> nn.Module:
    return nn.Sequential(nn.Linear(COLUMNS, 24), nn.ReLU(), nn.Linear(24, outputs))


def batches(x: Tensor, y: Tensor, size: int = 16) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.randperm(len(x)).split(size):
        yield x[rows], y[rows]


def found(doctor: Diagnosing, symptom: str) -> Finding | None:
    """Return the finding of a symptom among those that are shown."""
    assert doctor.failed == {}
    return next((one for one in diagnose_health(doctor.seen()).findings if one.symptom == symptom), None)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_all(0)


class TestPlateauOfTheWrongWay:
    """ReduceLROnPlateau must wait for the way in which its number gets better."""

    def watched(
        self, number: Callable[[nn.Module, Tensor, Tensor], float], mode: str, epochs: int = 12, rows: int = ROWS
    ) -> Finding | None:
        """Train a classifier whose scheduler watches a number of the validation."""
        x, y = table(rows + 160)
        model = network()
        optimizer = optim.SGD(model.parameters(), 0.1)
        scheduler = ReduceLROnPlateau(optimizer, mode=mode, factor=0.3, patience=1)  # type: ignore[arg-type]
        with Diagnosing(name="loop", tiers=[Tier.WIRING, Tier.DYNAMICS]) as doctor:
            for _ in range(epochs):
                model.train()
                for inputs, targets in batches(x[:rows], y[:rows]):
                    optimizer.zero_grad()
                    F.cross_entropy(model(inputs), targets).backward()
                    optimizer.step()
                model.eval()
                with torch.no_grad():
                    scheduler.step(number(model, x[rows:], y[rows:]))
        return found(doctor, "schedule_wrong")

    @staticmethod
    def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
        return (model(x).argmax(1) == y).float().mean().item()

    @staticmethod
    def loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
        return F.cross_entropy(model(x), y).item()

    def both(self, model: nn.Module, x: Tensor, y: Tensor) -> float:
        """Return what no loss function of torch tells, while it computes one that falls."""
        self.loss(model, x, y)
        return float(model(x).softmax(1)[torch.arange(len(y)), y].mean())

    def test_an_accuracy_that_shall_fall(self) -> None:
        one = self.watched(self.accuracy, "min")
        assert one is not None
        assert "'min'" in one.sentence
        assert "mode='max'" in one.advice

    def test_an_accuracy_in_percent_that_shall_fall(self) -> None:
        assert self.watched(lambda *given: 100 * self.accuracy(*given), "min") is not None

    def test_a_loss_that_shall_rise(self) -> None:
        one = self.watched(self.loss, "max")
        assert one is not None
        assert "mode='min'" in one.advice

    def test_any_number_that_rises_while_the_loss_of_the_evaluation_falls(self) -> None:
        assert self.watched(self.both, "min") is not None

    def test_the_right_ways(self) -> None:
        assert self.watched(self.accuracy, "max") is None
        assert self.watched(self.loss, "min") is None
        assert self.watched(lambda *given: 1 - self.accuracy(*given), "min") is None
        assert self.watched(lambda *given: -self.accuracy(*given), "min") is None

    def test_a_loss_by_hand_that_rises_since_the_model_overfits(self) -> None:
        def by_hand(model: nn.Module, x: Tensor, y: Tensor) -> float:
            return float(model(x).log_softmax(1)[torch.arange(len(y)), (y + 1) % CLASSES].neg().mean()) / 50

        assert self.watched(by_hand, "min") is None

    def test_a_scheduler_that_lowered_nothing(self) -> None:
        assert self.watched(self.accuracy, "min", epochs=2) is None

    def test_an_accuracy_in_steps_that_are_not_watched(self) -> None:
        one = self.watched(self.accuracy, "min", epochs=40)
        assert one is not None
