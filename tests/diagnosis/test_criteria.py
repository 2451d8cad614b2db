"""Rules about the criterion: each names its planted fault, and none a healthy twin or a hard negative."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hasten.base.records.finding import Diagnosis, Finding
from hasten.base.records.health import Health
from hasten.base.seeds import seed_all
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.registry import Tier, tier_of
from hasten.diagnosis.wiring import initial_loss_off
from hasten.pipeline.diagnosing import Diagnosing

Loss = Callable[[Tensor, Tensor], Tensor]


def health_of(model: nn.Module, loss: Loss, inputs: Tensor, targets: Tensor, *, loader: bool = True) -> Health:
    """Train for some steps and return what was seen."""
    optimizer = optim.SGD(model.parameters(), 1e-3)
    data = TensorDataset(inputs, targets)
    batches = DataLoader(data, 16) if loader else [data[start : start + 16] for start in range(0, len(data), 16)]
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
    assert doctor.failed == {}
    return doctor.seen()


def named(health: Health) -> set[str]:
    """Return the symptoms of tier E that are found, folded ones left out."""
    return {one.symptom for one in diagnose_health(health).findings if tier_of(one.symptom) is Tier.DATA}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_all(0)


def rows(count: int = 96, columns: int = 6) -> Tensor:
    return torch.randn(count, columns)


def classes(count: int = 96, number: int = 4) -> Tensor:
    return torch.arange(count) % number


def linear(outputs: int, *last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, outputs), *last)


class Summed(nn.Module):
    """Adds a row to a column, as biases of users and items of which only one was squeezed."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.squeeze(1)


def one_hot(count: int = 96, number: int = 4) -> Tensor:
    return F.one_hot(classes(count, number), number).float()


class Attention(nn.Module):
    """A softmax far from the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x * self.inner(x).softmax(1).sum(1, keepdim=True))


FAULTS: dict[str, tuple[str, Callable[[], nn.Module], Loss, Callable[[], Tensor]]] = {
    "softmax, then cross-entropy": ("double_softmax", lambda: linear(4, nn.Softmax(1)), F.cross_entropy, classes),
    "sigmoid twice": (
        "double_softmax",
        lambda: linear(1, nn.Sigmoid()),
        lambda o, y: F.binary_cross_entropy_with_logits(o[:, 0], (y > 1).float()),
        classes,
    ),
    "nll of probabilities": ("log_of_probabilities", lambda: linear(4, nn.Softmax(1)), F.nll_loss, classes),
    "nll of logits": ("log_of_probabilities", lambda: linear(4), F.nll_loss, classes),
    "log_softmax over the batch": ("log_of_probabilities", lambda: linear(4, nn.LogSoftmax(0)), F.nll_loss, classes),
    "cross-entropy of one output": (
        "wrong_loss_family",
        lambda: linear(1),
        lambda o, y: F.cross_entropy(o, 0 * y),
        classes,
    ),
    "softmax of one output": (
        "wrong_loss_family",
        lambda: linear(1, nn.Softmax(1)),
        lambda o, y: F.binary_cross_entropy(o[:, 0], (y > 1).float()),
        classes,
    ),
    "bce over exclusive classes": (
        "wrong_loss_family",
        lambda: linear(4, nn.Sigmoid()),
        F.binary_cross_entropy,
        one_hot,
    ),
    "class numbers in all columns": (
        "wrong_loss_family",
        lambda: linear(4),
        lambda o, y: F.mse_loss(o, y[:, None].expand_as(o).float()),
        classes,
    ),
    "bce of numbers": (
        "wrong_loss_family",
        lambda: linear(1),
        F.binary_cross_entropy_with_logits,
        lambda: torch.randn(96, 1) * 3,
    ),
    "mse of class numbers": (
        "wrong_loss_family",
        lambda: linear(1),
        lambda o, y: F.mse_loss(o.squeeze(1), y.float()),
        classes,
    ),
    "mse of one-hot rows": (
        "wrong_loss_family",
        lambda: linear(4),
        lambda o, y: F.mse_loss(o, F.one_hot(y, 4).float()),
        classes,
    ),
    "ReLU before standardized targets": (
        "bounded_output",
        lambda: linear(1, nn.ReLU()),
        F.mse_loss,
        lambda: torch.randn(96, 1),
    ),
    "sigmoid before large targets": (
        "bounded_output",
        lambda: linear(1, nn.Sigmoid()),
        F.l1_loss,
        lambda: torch.rand(96, 1) * 10,
    ),
    "ReLU before cross-entropy": ("bounded_output", lambda: linear(4, nn.ReLU()), F.cross_entropy, classes),
    "(N, 1) against (N)": ("loss_broadcasts", lambda: linear(1), F.mse_loss, lambda: torch.randn(96)),
    "(N, 1) against (N), by hand": (
        "loss_broadcasts",
        lambda: linear(1),
        lambda o, y: ((o - y) ** 2).mean(),
        lambda: torch.randn(96),
    ),
    "(N, 1) against (N), multiplied by itself": (
        "loss_broadcasts",
        lambda: linear(1),
        lambda o, y: ((d := o - y) * d).mean(),
        lambda: torch.randn(96),
    ),
    "(N, 1) against (N), absolute": ("loss_broadcasts", lambda: linear(1), F.l1_loss, lambda: torch.randn(96)),
    "cross-entropy of several labels": (
        "wrong_loss_family",
        lambda: linear(4),
        F.cross_entropy,
        lambda: (torch.rand(96, 4) > 0.6).float(),
    ),
    "(N, 1) against (N, K)": ("loss_broadcasts", lambda: linear(1), F.mse_loss, lambda: torch.randn(96, 6)),
    "(N, N) against (N)": ("loss_broadcasts", lambda: linear(1, Summed()), F.mse_loss, lambda: torch.randn(96)),
    "(N) against (N, 1)": (
        "loss_broadcasts",
        lambda: linear(1, nn.Flatten(0)),
        F.smooth_l1_loss,
        lambda: torch.randn(96, 1),
    ),
    "prices in dollars": ("targets_unscaled", lambda: linear(1), F.mse_loss, lambda: 2e5 + 1e5 * torch.randn(96, 1)),
    "prices in dollars, by hand": (
        "targets_unscaled",
        lambda: linear(1),
        lambda o, y: (y - o).pow(2).mean().sqrt(),
        lambda: 2e5 + 1e5 * torch.randn(96, 1),
    ),
}


@pytest.mark.parametrize("loader", [True, False], ids=["loader", "slices"])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault: str, loader: bool) -> None:
    symptom, model, loss, targets = FAULTS[fault]
    assert named(health_of(model(), loss, rows(), targets(), loader=loader)) == {symptom}


HEALTHY: dict[str, tuple[Callable[[], nn.Module], Loss, Callable[[], Tensor]]] = {
    "logits and cross-entropy": (lambda: linear(4), F.cross_entropy, classes),
    "label smoothing and weights": (
        lambda: linear(4),
        lambda o, y: F.cross_entropy(o, y, weight=torch.ones(4), label_smoothing=0.1),
        classes,
    ),
    "ignored labels": (lambda: linear(4), lambda o, y: F.cross_entropy(o, torch.where(y == 2, -100, y)), classes),
    "log_softmax and nll": (lambda: linear(4, nn.LogSoftmax(1)), F.nll_loss, classes),
    "nll by hand": (lambda: linear(4, nn.LogSoftmax(-1)), lambda o, y: -o.gather(1, y[:, None]).mean(), classes),
    "log of a softmax": (lambda: linear(4, nn.Softmax(1)), lambda o, y: F.nll_loss((o + 1e-9).log(), y), classes),
    "cross-entropy of log-probabilities": (lambda: linear(4, nn.LogSoftmax(1)), F.cross_entropy, classes),
    "soft targets": (lambda: linear(4), lambda o, y: F.cross_entropy(o, torch.rand(len(y), 4).softmax(1)), classes),
    "attention in the model": (Attention, F.cross_entropy, classes),
    "sigmoid and bce": (
        lambda: linear(1, nn.Sigmoid()),
        lambda o, y: F.binary_cross_entropy(o[:, 0], (y > 1).float()),
        classes,
    ),
    "several labels": (
        lambda: linear(4),
        F.binary_cross_entropy_with_logits,
        lambda: (torch.rand(96, 4) > 0.6).float(),
    ),
    "squeezed output": (lambda: linear(1), lambda o, y: F.mse_loss(o.squeeze(1), y), lambda: torch.randn(96)),
    "output of an interval": (lambda: linear(1, nn.Sigmoid()), F.mse_loss, lambda: torch.rand(96, 1)),
    "ReLU before counts": (lambda: linear(1, nn.ReLU()), F.mse_loss, lambda: torch.poisson(torch.full((96, 1), 2.0))),
    "ratings of 1 to 5": (lambda: linear(1), F.mse_loss, lambda: 1.0 + classes(number=5)[:, None]),
    "tiny targets": (lambda: linear(1), F.mse_loss, lambda: 1e-3 * torch.randn(96, 1)),
    "one number for all targets": (lambda: linear(1), lambda o, y: F.mse_loss(o, torch.zeros(1)), classes),
    "autoencoder": (lambda: linear(6), F.mse_loss, rows),
}


@pytest.mark.parametrize("loader", [True, False], ids=["loader", "slices"])
@pytest.mark.parametrize("kind", HEALTHY)
def test_healthy_criteria_are_silent(kind: str, loader: bool) -> None:
    model, loss, targets = HEALTHY[kind]
    assert named(health_of(model(), loss, rows(), targets(), loader=loader)) == set()


class Scaled(nn.Module):
    """Scales its output at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = linear(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * 1e5 + 2e5


def test_large_targets_are_right_where_the_model_scales_its_output() -> None:
    assert named(health_of(Scaled(), F.mse_loss, rows(), 2e5 + 1e5 * torch.randn(96, 1))) == set()


class Prepared(nn.Module):
    """Prepares its inputs itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = linear(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner((x - 100) / 50)


UNSCALED = {
    "pixels to 255": (lambda: (255 * torch.rand(96, 6)).round(), True),
    "one large column": (lambda: torch.cat([rows(columns=5), 5e4 * torch.rand(96, 1)], 1), True),
    "divided twice": (lambda: torch.rand(96, 6) / 255, True),
    "pixels to 1": (lambda: torch.rand(96, 6), False),
    "pixels to 16": (lambda: (16 * torch.rand(96, 6)).round(), False),
    "standardized": (rows, False),
    "sparse": (lambda: (torch.rand(96, 6) > 0.9).float(), False),
}


@pytest.mark.parametrize("kind", UNSCALED)
def test_inputs_far_from_1_are_named(kind: str) -> None:
    inputs, wrong = UNSCALED[kind]
    health = health_of(linear(4), F.cross_entropy, inputs(), classes())
    assert named(health) == ({"inputs_unscaled"} if wrong else set())


def test_inputs_that_the_model_scales_itself_are_right() -> None:
    inputs = 100 + 50 * rows()
    assert named(health_of(Prepared(), F.cross_entropy, inputs, classes())) == set()
    normed = nn.Sequential(nn.BatchNorm1d(6), linear(4))
    assert named(health_of(normed, F.cross_entropy, inputs, classes())) == set()


def test_rules_abstain_where_no_criterion_is_seen() -> None:
    health = health_of(linear(4), lambda o, y: (o.exp() * o).sum(), rows(), classes())
    said: Diagnosis = diagnose_health(health)
    without = {one.symptom for one in said.abstained}
    assert {"double_softmax", "log_of_probabilities", "wrong_loss_family", "bounded_output"} <= without


PAIRS: dict[str, tuple[Loss, set[str]]] = {
    "kl_div of probabilities": (lambda o, y: F.kl_div(o.softmax(1), soft(y)), {"log_of_probabilities"}),
    "kl_div of log-probabilities": (lambda o, y: F.kl_div(o.log_softmax(1), soft(y), reduction="batchmean"), set()),
    "logarithms as soft targets": (
        lambda o, y: F.kl_div(o.log_softmax(1), soft(y).log(), reduction="batchmean"),
        {"log_of_probabilities"},
    ),
    "log_target": (lambda o, y: F.kl_div(o.log_softmax(1), soft(y).log(), log_target=True), set()),
    "pairs of 0 and 1": (lambda o, y: F.cosine_embedding_loss(o, soft(y), (y > 1).float()), {"labels_unfit"}),
    "pairs of -1 and 1": (lambda o, y: F.cosine_embedding_loss(o, soft(y), 2.0 * (y > 1) - 1), set()),
}
"""Losses of two distributions, and of pairs."""


def soft(labels: Tensor) -> Tensor:
    return (2 * F.one_hot(labels, 4).float() + 0.1 * torch.randn(len(labels), 4)).softmax(1)


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("case", PAIRS)
def test_losses_of_two_distributions_and_of_pairs(case: str) -> None:
    loss, expected = PAIRS[case]
    assert named(health_of(linear(4), loss, rows(), classes())) == expected


INPUTS: dict[str, tuple[Callable[[], Tensor], set[str]]] = {
    "mean of 3": (lambda: rows() + 3, {"inputs_unscaled"}),
    "pixels of a gray picture": (lambda: 0.5 + 0.1 * rows(), set()),
    "a few outliers": (lambda: torch.cat([rows(12), 100 * rows(4), rows(80)]), {"inputs_unscaled"}),
    "a long tail": (lambda: rows().exp(), set()),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_that_are_not_centered_and_outliers(case: str) -> None:
    inputs, expected = INPUTS[case]
    assert named(health_of(linear(4), F.cross_entropy, inputs(), classes())) == expected


@pytest.mark.parametrize(
    ("inputs", "cause"),
    [
        (lambda: torch.cat([rows(12), 100 * rows(1), rows(83)]), "outliers"),
        (lambda: rows() + 300, ""),
        (lambda: 50 * rows(), ""),
    ],
    ids=["outliers", "off center", "large"],
)
def test_outliers_are_told_from_inputs_far_from_zero(inputs: Callable[[], Tensor], cause: str) -> None:
    found = diagnose_health(health_of(linear(4), F.cross_entropy, inputs(), classes())).findings
    assert [one.cause for one in found if one.symptom == "inputs_unscaled"] == [cause]


class Multiplied(nn.Module):
    """A perceptron whose last weights, and what it returns, are multiplied with a number."""

    def __init__(self, weights: float, outputs: float) -> None:
        super().__init__()
        self.first, self.last, self.outputs = nn.Linear(6, 32), nn.Linear(32, 4), outputs
        with torch.no_grad():
            for one in self.last.parameters():
                one.mul_(weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs * self.last(F.relu(self.first(x)))


@pytest.mark.parametrize("loss", [F.cross_entropy, lambda output, labels: F.mse_loss(output[:, 0], labels / 4)])
@pytest.mark.parametrize(("weights", "outputs", "cause"), [(1, 100, "outputs_multiplied"), (100, 1, "")])
def test_outputs_that_are_multiplied_are_told_from_large_weights(
    loss: Loss, weights: float, outputs: float, cause: str
) -> None:
    optimizer = optim.SGD((model := Multiplied(weights, outputs)).parameters(), 1e-6)
    with Diagnosing(name="loop") as doctor:
        for _ in range(12):
            optimizer.zero_grad()
            loss(model(rows()), classes()).backward()
            optimizer.step()
    found = initial_loss_off.find(doctor.seen())
    assert isinstance(found, Finding)
    assert found.cause == cause


def test_the_criteria_of_a_second_training_are_looked_at() -> None:
    inputs = rows()
    labels = inputs[:, :4].argmax(1)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for model, last in ((linear(4), nn.Identity()), (linear(4), nn.Softmax(1))):  # a teacher, and its student
            optimizer = optim.SGD(model.parameters(), 1e-3)
            for start in [*range(0, 96, 16)] * 8:
                optimizer.zero_grad()
                F.cross_entropy(last(model(inputs[start : start + 16])), labels[start : start + 16]).backward()
                optimizer.step()
    assert doctor.failed == {}
    assert named(doctor.seen()) == {"double_softmax"}
