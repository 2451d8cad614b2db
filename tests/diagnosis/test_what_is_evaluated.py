"""Faults of evaluations and of what schedules do with their results: each is named, and no hard negative is."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Finding
from hasten.base.records.wiring import Schedule, Watched
from hasten.base.seeds import seed_all
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.registry import Tier
from hasten.diagnosis.wiring.watched import improves_against_mode
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
            return float(model(x).log_softmax(1)[torch.arange(len(y)), (y + 1) % CLASSES].neg().mean()) / 8

        assert self.watched(by_hand, "min") is None

    @pytest.mark.parametrize(("count", "named"), [(64, True), (None, False)])
    def test_without_losses_of_evaluations_only_shares_of_one_count_tell(self, count: int | None, named: bool) -> None:
        rising = [0.2 + 0.6 * (at / 11) ** 0.7 for at in range(12)]
        values = rising if count is None else [round(one * count) / count for one in rising]
        watched = tuple(Watched(step=10 * at, value=one, rate=0.5**at) for at, one in enumerate(values, 1))
        schedule = Schedule(name="ReduceLROnPlateau", steps=12, updates=120, mode="min", watched=watched)
        dynamics = Dynamics(losses=tuple(2.0 * 0.98**step for step in range(120)))
        assert improves_against_mode(schedule, dynamics) is named

    def test_a_scheduler_that_lowered_nothing(self) -> None:
        assert self.watched(self.accuracy, "min", epochs=2) is None

    def test_an_accuracy_in_steps_that_are_not_watched(self) -> None:
        one = self.watched(self.accuracy, "min", epochs=40)
        assert one is not None


def trained(
    evaluate: Callable[[nn.Module, Tensor, Tensor], object],
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    *,
    outputs: int = CLASSES,
    targets: Callable[[Tensor], Tensor] = lambda y: y,
    make: Callable[[int], nn.Module] = network,
) -> Finding | None:
    """Train, evaluate by a function of 128 samples, and return the finding about what it makes of its outputs."""
    x, y = table()
    y = targets(y)
    model = make(outputs)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(3):
            model.train()
            for inputs, wanted in batches(x[:192], y[:192]):
                optimizer.zero_grad()
                loss(model(inputs), wanted).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                evaluate(model, x[192:], y[192:])
    return found(doctor, "evaluation_wrong")


def loader_of(x: Tensor, y: Tensor, size: int = 32, **options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), size, **options)


def equal(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = model(x)
    return (out == y).float().mean().item()


def equal_as_arrays(model: nn.Module, x: Tensor, y: Tensor) -> float:
    wanted = y.numpy()
    return float(np.mean(model(x).squeeze().numpy() == wanted.squeeze()))


def equal_by_function(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out = model(x).detach()
    return torch.eq(out, y).sum()


def equal_when_rounded(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    out = out.round()
    return (out == y).float().mean()


def repeats(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    one = model(x)
    other = model(x)
    return (one == other).float().mean()


def all_equal(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    return (out == y).all()


def real(y: Tensor) -> Tensor:
    return y[:, None] + 0.1 * torch.randn(len(y), 1)


class TestEqualityOfRealNumbers:
    """The share of equal real numbers is no accuracy."""

    @pytest.mark.parametrize("evaluate", [equal, equal_as_arrays, equal_by_function])
    def test_it_is_named(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        one = trained(evaluate, F.mse_loss, outputs=1, targets=real)
        assert one is not None
        assert "real numbers" in one.sentence

    @pytest.mark.parametrize("evaluate", [equal_when_rounded, repeats, all_equal])
    def test_other_comparisons_are_not(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        assert trained(evaluate, F.mse_loss, outputs=1, targets=real) is None

    def test_whole_numbers_may_be_equal(self) -> None:
        assert trained(equal, F.mse_loss, outputs=1, targets=lambda y: y[:, None].float()) is None


def by_another_set(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader, other = loader_of(x, y), loader_of(x[:50], y[:50])
    correct = 0
    for inputs, wanted in loader:
        correct += (model(inputs).argmax(1) == wanted).sum().item()
    return 100.0 * correct / len(other.dataset)  # type: ignore[arg-type]


def by_batches(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader = loader_of(x, y)
    batch_count = len(loader)
    correct = torch.zeros(())
    for inputs, wanted in enumerate_of(loader):
        correct += (model(inputs).argmax(1) == wanted).type(torch.float).sum()
    correct /= batch_count
    return float(correct)


def enumerate_of(loader: DataLoader[Any]) -> Iterator[Any]:
    yield from loader


def by_batches_of_a_weighted_sum(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader = loader_of(x, y)
    total = 0.0
    for _, (inputs, wanted) in enumerate(loader):
        total += F.cross_entropy(model(inputs), wanted).item() * inputs.size(0)
    return total / len(loader)


def by_the_whole_of_a_subset(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader = loader_of(x, y, sampler=SubsetRandomSampler(range(40)))
    correct = 0
    for inputs, wanted in loader:
        correct += int((model(inputs).argmax(1) == wanted).sum())
    return correct / len(loader.dataset)  # type: ignore[arg-type]


def right_counts(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, ...]:
    loader = loader_of(x, y)
    loss = correct = weighted = share = 0.0
    for inputs, wanted in loader:
        out = model(inputs)
        loss += F.cross_entropy(out, wanted).item()
        correct += (out.argmax(1) == wanted).sum().item()
        weighted += F.cross_entropy(out, wanted).item() * len(wanted)
        share += (out.argmax(1) == wanted).sum().item() / len(wanted)
    size = len(loader.dataset)  # type: ignore[arg-type]
    return loss / len(loader), 100 * correct / size, weighted / size, share / len(loader)


def right_by_a_product(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader = loader_of(x, y)
    correct = 0
    for inputs, wanted in loader:
        correct += (model(inputs).argmax(1) == wanted).sum().item()
    return correct / len(loader) / 32


def right_of_single_samples(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader = loader_of(x[:40], y[:40], size=1)
    correct = 0
    for inputs, wanted in loader:
        correct += (model(inputs).argmax(1) == wanted).sum().item()
    return correct / len(loader)


def of_the_first_batches(model: nn.Module, x: Tensor, y: Tensor) -> float:
    loader, shown = loader_of(x, y), loader_of(x[:64], y[:64])
    correct = 0
    for at, (inputs, wanted) in enumerate(loader):
        if at == 2:
            break
        correct += (model(inputs).argmax(1) == wanted).sum().item()
    return correct / len(shown.dataset)  # type: ignore[arg-type]


class TestDividedByAnotherCount:
    """A sum over samples is divided by their number."""

    @pytest.mark.parametrize(
        ("evaluate", "wanted"),
        [(by_another_set, 128), (by_batches_of_a_weighted_sum, 128), (by_the_whole_of_a_subset, 40)],
    )
    def test_it_is_named(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object], wanted: int) -> None:
        one = trained(evaluate)
        assert one is not None
        assert f"sum over {wanted} samples" in one.sentence

    def test_a_sum_that_is_divided_in_place(self) -> None:
        assert trained(quickstart) is not None

    def test_what_a_function_yields_is_not_known(self) -> None:
        assert trained(by_batches) is None

    @pytest.mark.parametrize(
        "evaluate", [right_counts, right_by_a_product, right_of_single_samples, of_the_first_batches]
    )
    def test_right_counts_are_not(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        assert trained(evaluate) is None


def quickstart(model: nn.Module, x: Tensor, y: Tensor) -> float:
    dataloader = loader_of(x, y)
    batch_count = len(dataloader)
    correct = 0.0
    for inputs, wanted in dataloader:
        correct += (model(inputs).argmax(1) == wanted).type(torch.float).sum().item()
    correct /= batch_count
    return correct


def half_of_logits(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = model(x).squeeze(1)
    return ((out > 0.5).float() == y.squeeze(1)).float().mean().item()


def rounded_logits(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return (torch.round(model(x)) == y).float().mean().item()


def share_of(scores: Tensor, wanted: Tensor) -> float:
    return ((scores.squeeze(1) > 0.5).float() == wanted.squeeze(1)).float().mean().item()


def share_of_chances(scores: Tensor, wanted: Tensor) -> float:
    scores = scores.sigmoid()
    return ((scores > 0.5).float() == wanted).float().mean().item()


def half_of_logits_by_a_function(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return share_of(model(x), y)


def half_of_logits_by_a_keyword(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = model(x)
    return share_of(wanted=y, scores=out)


def half_of_probabilities_by_a_function(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return share_of(model(x).sigmoid(), y)


def half_by_a_function_that_makes_probabilities(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return share_of_chances(model(x), y)


def half_of_targets_by_a_function(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return share_of(y, model(x))


def half_of_probabilities(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = torch.sigmoid(model(x))
    return ((out > 0.5).float() == y).float().mean().item() + ((model(x).sigmoid() > 0.5) == y).float().mean().item()


def sign_of_logits(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return ((model(x) > 0).float() == y).float().mean().item()


def yes_or_no(y: Tensor) -> Tensor:
    return (y[:, None] > 0).float()


class TestThresholds:
    """What is compared with 0.5 must be a probability."""

    @pytest.mark.parametrize(
        "evaluate", [half_of_logits, rounded_logits, half_of_logits_by_a_function, half_of_logits_by_a_keyword]
    )
    def test_logits_are_none(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        one = trained(evaluate, F.binary_cross_entropy_with_logits, outputs=1, targets=yes_or_no)
        assert one is not None
        assert "logits" in one.sentence

    @pytest.mark.parametrize(
        "evaluate",
        [
            half_of_probabilities,
            sign_of_logits,
            half_of_probabilities_by_a_function,
            half_by_a_function_that_makes_probabilities,
            half_of_targets_by_a_function,
        ],
    )
    def test_right_thresholds(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        assert trained(evaluate, F.binary_cross_entropy_with_logits, outputs=1, targets=yes_or_no) is None

    def test_an_output_that_was_trained_to_be_0_or_1(self) -> None:
        assert trained(half_of_logits, F.mse_loss, outputs=1, targets=yes_or_no) is None


class Dropping(nn.Sequential):
    """A network with dropout."""

    def __init__(self, outputs: int) -> None:
        super().__init__(nn.Linear(COLUMNS, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, outputs))


def dropping(model: nn.Module) -> None:
    for one in model.modules():
        if isinstance(one, nn.Dropout):
            one.train()


def spread_in_a_row(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([model(x) for _ in range(8)]).std(0)


def spread_of_a_named_list(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    samples = [model(x).softmax(1) for _ in range(8)]
    return torch.stack(samples).std(0)


def spread_by_a_loop(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    samples = []
    for _ in range(8):
        samples.append(model(x))
    return torch.stack(samples).var(0)


def spread_with_dropout(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    dropping(model)
    return torch.stack([model(x) for _ in range(8)]).std(0)


def of_other_inputs(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    views = torch.stack([model(x + 0.1 * torch.randn_like(x)) for _ in range(8)]).mean(0)
    return views + torch.stack([model(one) for one in [x] * 8]).mean(0)


def of_inputs_that_a_loop_changes(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    steps = []
    for _ in range(8):
        steps.append(model(x))
        x = 0.9 * x
    return torch.stack(steps)


def of_the_time_it_takes(model: nn.Module, x: Tensor, y: Tensor) -> None:
    for _ in range(20):
        model(x)


def whether_it_repeats(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([model(x) for _ in range(2)]).std(0)


class TestEqualPasses:
    """Passes that are collected for their spread must differ."""

    @pytest.mark.parametrize("evaluate", [spread_in_a_row, spread_of_a_named_list, spread_by_a_loop])
    def test_without_dropout_they_do_not(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        one = trained(evaluate, make=Dropping)
        assert one is not None
        assert "dropout is off" in one.sentence

    @pytest.mark.parametrize(
        "evaluate",
        [
            spread_with_dropout,
            of_other_inputs,
            of_inputs_that_a_loop_changes,
            of_the_time_it_takes,
            whether_it_repeats,
        ],
    )
    def test_other_passes(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        assert trained(evaluate, make=Dropping) is None

    def test_a_model_without_dropout(self) -> None:
        assert trained(spread_in_a_row) is None


def over_samples(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    return (y[out.argmax(dim=0)] == 0).sum()


def over_everything(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (torch.argmax(model(x)) == y).float().mean()


def over_classes(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    one = model(x[:1])
    return (torch.argmax(model(x), 1) == y).sum() + one.argmax()


def of_one_sample_beside_others(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = model(x[0])
    right = int(out.argmax() == y[0])
    return right + int(model(x[1]).argmax() == y[1]) + (model(x).argmax(1) == y).float().mean().item()


def of_one_sample_or_many(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return model(x[0]).argmax() if len(x) == 1 else model(x).argmax(1)


class TestAxis:
    """A class is chosen among the classes of a sample."""

    @pytest.mark.parametrize("evaluate", [over_samples, over_everything])
    def test_one_among_the_samples(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        one = trained(evaluate)
        assert one is not None
        assert "its 3 classes" in one.sentence

    @pytest.mark.parametrize("evaluate", [over_classes, of_one_sample_beside_others, of_one_sample_or_many])
    def test_one_among_the_classes(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        assert trained(evaluate) is None


def largest_of_one(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = model(x)
    return (out.argmax(dim=1) == (y > 0)).float().mean().item()


def largest_of_one_by_max(model: nn.Module, x: Tensor, y: Tensor) -> float:
    outputs = model(x)
    _, predicted = torch.max(outputs.data, 1)
    return (predicted == (y > 0)).sum().item() / len(y)


def largest_of_the_second_name(model: nn.Module, x: Tensor, y: Tensor) -> float:
    right = 0.0
    for rows in torch.arange(len(x)).split(16):
        out = model(x[rows])
        right += (out.squeeze(1) > 0).float().mean().item()
    for rows in torch.arange(len(x)).split(16):
        out = model(x[rows])
        right += (out.argmax(1) == (y[rows] > 0)).sum().item()
    return right


def largest_of_what_a_turn_before_made(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out, right = model(x), 0.0
    for _ in range(2):
        right += (out.argmax(1) == (y > 0)).sum().item()
        out = torch.cat([-model(x), model(x)], 1)
    return right


def largest_in_another_branch(model: nn.Module, x: Tensor, y: Tensor) -> float:
    out = torch.cat([-model(x), model(x)], 1)
    if not len(x):
        out = model(x)
    else:
        return (out.argmax(1) == (y > 0)).float().mean().item()
    return 0.0


def largest_value(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return model(x).max().item() + model(x).max(0).values.item() + model(x).squeeze(1).argmax().item()


class TestSingle:
    """Among a single output there is nothing to choose."""

    @pytest.mark.parametrize("evaluate", [largest_of_one, largest_of_one_by_max, largest_of_the_second_name])
    def test_it_is_named(self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]) -> None:
        one = trained(evaluate, F.binary_cross_entropy_with_logits, outputs=1, targets=yes_or_no)
        assert one is not None
        assert "single output" in one.sentence

    @pytest.mark.parametrize("evaluate", [largest_value, largest_of_what_a_turn_before_made, largest_in_another_branch])
    def test_a_class_of_several_or_the_largest_of_all_is_not(
        self, evaluate: Callable[[nn.Module, Tensor, Tensor], object]
    ) -> None:
        assert trained(evaluate, F.binary_cross_entropy_with_logits, outputs=1, targets=yes_or_no) is None


class TestLeftOut:
    """The last samples of an evaluation count, too."""

    @staticmethod
    def evaluated(size: int, **options: Any) -> Finding | None:
        def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> None:
            for inputs, _ in loader_of(x, y, size, **options):
                model(inputs)

        kept: list[DataLoader[Any]] = []

        def of_one_set(model: nn.Module, x: Tensor, y: Tensor) -> None:
            kept[:] = kept or [loader_of(x, y, size, **options)]
            for inputs, _ in kept[0]:
                model(inputs)

        return trained(evaluate) or trained(of_one_set)

    def test_a_third_that_is_never_evaluated(self) -> None:
        one = self.evaluated(86, drop_last=True)  # of 128
        assert one is not None
        assert "last 42 samples" in one.sentence

    def test_a_few_samples_or_others_each_time(self) -> None:
        assert self.evaluated(60, drop_last=True) is None
        assert self.evaluated(86, drop_last=True, shuffle=True) is None
        assert self.evaluated(86) is None


class TestFolds:
    """Each fold of a cross-validation has a model of its own."""

    def leaks(
        self,
        begin: Callable[[nn.Module], nn.Module],
        *,
        scaled: bool = False,
        loaders: bool = False,
    ) -> Finding | None:
        """Train over four folds; `begin` gives the model of each from that of the one before."""
        x, y = table(240)
        data, model = TensorDataset(x, y), network()
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            for test in torch.randperm(240).split(60):
                model = begin(model)
                optimizer = optim.Adam(model.parameters(), 1e-2)
                train = torch.tensor([one for one in range(240) if one not in set(test.tolist())])
                mean, spread = (x[train].mean(0), x[train].std(0)) if scaled else (torch.zeros(()), torch.ones(()))
                made = (x - mean) / spread
                for _ in range(4):
                    given = (
                        DataLoader(data, 20, sampler=SubsetRandomSampler(train.tolist()))
                        if loaders
                        else batches(made[train], y[train], 20)
                    )
                    for inputs, wanted in given:
                        optimizer.zero_grad()
                        F.cross_entropy(model(inputs), wanted).backward()
                        optimizer.step()
                with torch.no_grad():
                    if loaders:
                        for inputs, _ in DataLoader(data, 20, sampler=SubsetRandomSampler(test.tolist())):
                            model(inputs)
                    else:
                        model(made[test])
        return found(doctor, "leak_across_splits")

    @pytest.mark.parametrize("options", [{}, {"scaled": True}, {"loaders": True}])
    def test_one_model_for_all_is_named(self, options: dict[str, bool]) -> None:
        one = self.leaks(lambda model: model, **options)
        assert one is not None
        assert "from fold to fold" in one.sentence

    @pytest.mark.parametrize("options", [{}, {"scaled": True}, {"loaders": True}])
    def test_a_new_model_for_each_is_not(self, options: dict[str, bool]) -> None:
        assert self.leaks(lambda model: network(), **options) is None

    def test_a_model_that_begins_anew_is_not(self) -> None:
        def reset(model: nn.Module) -> nn.Module:
            for one in model:  # type: ignore[attr-defined]
                if isinstance(one, nn.Linear):
                    one.reset_parameters()
            return model

        assert self.leaks(reset) is None

    def test_a_model_that_loads_the_weights_of_the_start_is_not(self) -> None:
        start = network().state_dict()

        def restart(model: nn.Module) -> nn.Module:
            model.load_state_dict(start)
            return model

        assert self.leaks(restart) is None

    def test_chunks_that_are_evaluated_before_they_are_trained_on_are_none(self) -> None:
        x, y = table(240)
        model = network()
        optimizer = optim.Adam(model.parameters(), 1e-2)
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            for rows in torch.arange(240).split(40):
                with torch.no_grad():
                    model(x[rows])
                for inputs, wanted in batches(x[rows], y[rows], 10):
                    optimizer.zero_grad()
                    F.cross_entropy(model(inputs), wanted).backward()
                    optimizer.step()
        assert found(doctor, "leak_across_splits") is None


def test_an_evaluation_in_inference_mode_is_seen() -> None:
    def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> None:
        with torch.inference_mode():
            for inputs, _ in loader_of(x, y):
                model(inputs)

    assert trained(evaluate) is None, "and no collector failed"


class Stopper:
    """Early stopping of one's own, whose comparison may be the wrong way round."""

    def __init__(self, patience: int, *, inverted: bool = False) -> None:
        self.patience, self.counter, self.best, self.stops = patience, 0, float("inf"), False
        self.inverted = inverted

    def __call__(self, loss: float) -> None:
        better = loss < self.best
        self.best = min(loss, self.best)
        self.counter = self.counter + 1 if better is self.inverted else 0
        self.stops = self.counter >= self.patience


EPOCHS = 30
Epoch = Callable[[], float]


def stopped_by_an_object(epoch: Epoch, *, inverted: bool, patience: int = 4) -> None:
    stopper = Stopper(patience, inverted=inverted)
    for _epoch in range(EPOCHS):
        stopper(epoch())
        if stopper.stops:
            break


def stopped_by_a_counter(epoch: Epoch, *, inverted: bool, patience: int = 4) -> None:
    best_loss = 0.0 if inverted else float("inf")
    waited = 0
    for _epoch in range(1, EPOCHS + 1):
        loss = epoch()
        if loss > best_loss if inverted else loss < best_loss:
            best_loss, waited = loss, 0
        else:
            waited += 1
            if waited >= patience:
                break


def stopped_by_a_target(epoch: Epoch, *, inverted: bool, patience: int = 4) -> None:
    best = float("inf")
    for at in range(EPOCHS):
        best = min(best, epoch())
        if at >= patience + 2:
            break


def stopped_by_another_number(epoch: Epoch, *, inverted: bool, patience: int = 4) -> None:
    waited, best_accuracy = 0, 0.75
    for _epoch in range(EPOCHS):
        epoch()
        accuracy = 0.75
        waited = 0 if accuracy > best_accuracy else waited + 1
        best_accuracy = max(accuracy, best_accuracy)
        if waited > patience:
            break


class TestPatience:
    """Early stopping must not count what improves."""

    @staticmethod
    def stopped(loop: Callable[..., None], **options: Any) -> Finding | None:
        x = torch.randn(256, COLUMNS)
        y = x @ torch.randn(COLUMNS, 1)
        model = network(1)
        optimizer = optim.SGD(model.parameters(), 0.01)

        def epoch() -> float:
            for inputs, wanted in batches(x[:192], y[:192], 32):
                optimizer.zero_grad()
                F.mse_loss(model(inputs), wanted).backward()
                optimizer.step()
            with torch.no_grad():
                return F.mse_loss(model(x[192:]), y[192:]).item()

        with Diagnosing(name="loop", tiers=[Tier.WIRING, Tier.DYNAMICS]) as doctor:
            loop(epoch, **options)
        return found(doctor, "too_few_steps")

    @pytest.mark.parametrize("loop", [stopped_by_an_object, stopped_by_a_counter])
    def test_what_counts_improvements_is_named(self, loop: Callable[..., None]) -> None:
        one = self.stopped(loop, inverted=True)
        assert one is not None
        assert "each of the last 4 evaluations was the best so far" in one.sentence

    @pytest.mark.parametrize("loop", [stopped_by_an_object, stopped_by_a_counter])
    def test_what_counts_evaluations_without_one_is_not(self, loop: Callable[..., None]) -> None:
        assert self.stopped(loop, inverted=False) is None

    @pytest.mark.parametrize("loop", [stopped_by_a_target, stopped_by_another_number])
    def test_a_loop_that_ends_for_another_reason_is_not(self, loop: Callable[..., None]) -> None:
        assert self.stopped(loop, inverted=False) is None

    def test_a_loop_that_comes_to_its_end_is_not(self) -> None:
        assert self.stopped(stopped_by_an_object, inverted=True, patience=EPOCHS) is None


class TestScaledTogether:
    """The numbers of a standardization are those of the training."""

    @staticmethod
    def leaks(series: Tensor, fitted: slice, *, windows: bool = False, shuffled: bool = False) -> Finding | None:
        """Standardize by a part of a series, train on its first 600 rows and evaluate the rest."""
        series = series[torch.randperm(len(series))] if shuffled else series
        series = (series - series[fitted].mean(0)) / series[fitted].std(0)
        target = series.sum(1, keepdim=True) + 0.1 * torch.randn(len(series), 1)
        made = series.unfold(0, 6, 1).mT if windows else series
        target = target[-len(made) :]
        model = nn.Sequential(nn.Flatten(), nn.Linear(made[0].numel(), 8), nn.ReLU(), nn.Linear(8, 1))
        optimizer = optim.Adam(model.parameters(), 1e-2)
        valid_x, valid_y = made[600:].clone(), target[600:].clone()
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            for _ in range(2):
                for inputs, wanted in DataLoader(TensorDataset(made[:600], target[:600]), 30, shuffle=True):
                    optimizer.zero_grad()
                    F.mse_loss(model(inputs), wanted).backward()
                    optimizer.step()
                with torch.no_grad():
                    F.mse_loss(model(valid_x), valid_y)
        return found(doctor, "leak_across_splits")

    @staticmethod
    def series() -> Tensor:
        """Return numbers that drift."""
        return torch.randn(800, 4) + torch.linspace(0, 2, 800)[:, None] * torch.tensor([1.0, -1.0, 0.5, 2.0])

    @pytest.mark.parametrize("windows", [False, True])
    def test_all_together_are_named(self, windows: bool) -> None:
        series = self.series()[:, [0, 2]] if windows else self.series()
        one = self.leaks(series, slice(None), windows=windows)
        assert one is not None
        assert "numbers of the evaluation" in one.sentence

    @pytest.mark.parametrize("windows", [False, True])
    def test_the_training_alone_is_not(self, windows: bool) -> None:
        series = self.series()[:, [0, 2]] if windows else self.series()
        assert self.leaks(series, slice(600), windows=windows) is None

    def test_parts_that_are_drawn_at_random_tell_nothing(self) -> None:
        assert self.leaks(self.series(), slice(None), shuffled=True) is None

    def test_numbers_that_were_not_standardized_are_no_proof(self) -> None:
        assert self.leaks(self.series(), slice(200, 500)) is None


class TestLabelsInTheCode:
    """Labels of an evaluation that are only compared with the classes said are read from the code that does so."""

    @staticmethod
    def share(said: Tensor, wanted: Tensor) -> float:
        return (said.argmax(1) == wanted).float().mean().item()

    @staticmethod
    def in_a_line(model: nn.Module, x: Tensor, y: Tensor) -> float:
        return (model(x).argmax(1) == y).float().mean().item()

    @staticmethod
    def by_names(model: nn.Module, x: Tensor, y: Tensor) -> float:
        out = model(x)
        _, said = torch.max(out.data, 1)
        return (y == said).sum().item() / len(y)

    @staticmethod
    def of_probabilities(model: nn.Module, x: Tensor, y: Tensor) -> float:
        probabilities = F.softmax(model(x), dim=1)
        said = probabilities.argmax(dim=1, keepdim=True)
        return said.eq(y.view_as(said)).float().mean().item()

    @staticmethod
    def in_slices(model: nn.Module, x: Tensor, y: Tensor) -> float:
        right, size = 0, 40
        for i in range(0, len(x), size):
            said = model(x[i : i + size]).argmax(-1)
            right += (said == y[i : i + size]).sum().item()
        return right / len(x)

    @staticmethod
    def by_a_function(model: nn.Module, x: Tensor, y: Tensor) -> float:
        share = TestLabelsInTheCode.share
        return share(model(x), y)

    @staticmethod
    def by_sklearn(model: nn.Module, x: Tensor, y: Tensor) -> float:
        said = model(x).argmax(1)
        return float(accuracy_score(y.numpy(), said.cpu().numpy()))

    @staticmethod
    def bound_in_between(model: nn.Module, x: Tensor, y: Tensor) -> float:
        right, wanted = 0, y[:40]
        for i in range(0, len(x), 40):
            said = model(x[i : i + 40]).argmax(1)
            wanted = y[i : i + 40]
            right += (said == wanted).sum().item()
        return right / len(x)

    @staticmethod
    def trained(outputs: int = CLASSES) -> tuple[nn.Module, Tensor, Tensor]:
        """Return a model that was trained for a few steps, and samples that it did not see."""
        x, y = table(ROWS + 160)
        model = network(outputs)
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for inputs, targets in batches(x[:ROWS], y[:ROWS]):
            optimizer.zero_grad()
            if outputs == 1:
                F.binary_cross_entropy_with_logits(model(inputs)[:, 0], (targets > 0).float()).backward()
            else:
                F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        return model, x[ROWS:], y[ROWS:]

    @pytest.mark.parametrize(
        "way", ["in_a_line", "by_names", "of_probabilities", "in_slices", "by_a_function", "by_sklearn"]
    )
    def test_ways_to_count_right_answers(self, way: str) -> None:
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            model, x, y = self.trained()
            with torch.no_grad():
                right = getattr(self, way)(model, x, y)
        assert doctor.failed == {}
        data = doctor.seen().data
        assert data is not None
        (part,) = data.evaluations
        assert part.agreement is not None
        assert part.agreement.samples == len(y)
        assert part.agreement.accuracy == pytest.approx(right)

    def test_a_threshold_of_a_single_output(self) -> None:
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            model, x, y = self.trained(outputs=1)
            labels = (y > 0).float()
            with torch.no_grad():
                said = (torch.sigmoid(model(x)).squeeze(1) > 0.5).float()
                right = (said == labels).float().mean().item()
        assert doctor.failed == {}
        data = doctor.seen().data
        assert data is not None
        assert data.evaluations[0].agreement is not None
        assert data.evaluations[0].agreement.accuracy == pytest.approx(right)

    def test_labels_that_get_their_name_after_the_call_are_not_those_of_the_name_before(self) -> None:
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            model, x, y = self.trained()
            with torch.no_grad():
                self.bound_in_between(model, x, y)
        assert doctor.failed == {}
        data = doctor.seen().data
        assert data is not None
        assert [part.agreement for part in data.evaluations] == [None]

    def test_answers_that_an_attack_turns_around_are_no_other_names(self) -> None:
        with Diagnosing(name="loop") as doctor:
            x = torch.randn(ROWS + 160, COLUMNS)
            y = (x[:, 0] > 0).long()
            model = network(2)
            optimizer = optim.Adam(model.parameters(), 1e-2)
            for _ in range(4):
                for inputs, targets in batches(x[:ROWS], y[:ROWS]):
                    optimizer.zero_grad()
                    F.cross_entropy(model(inputs), targets).backward()
                    optimizer.step()
            test, labels = x[ROWS:].clone(), y[ROWS:]
            attacked = test.clone()
            attacked[:, 0] *= -1
            with torch.no_grad():
                clean = (model(test).argmax(1) == labels).float().mean()
                robust = (model(attacked).argmax(1) == labels).float().mean()
        assert clean > 0.8 > 0.2 > robust
        assert found(doctor, "labels_unfit") is None
