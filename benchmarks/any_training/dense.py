"""Multilayer perceptrons: classes, labels, numbers, several targets; float64 and complex."""

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.any_training.training import SEED, STEPS, Losses, Training, adam, many_steps, normal, plain_loop
from hasten import Data, Schedule, Stop, Task, Update

SAMPLES = 96
STOP = Stop(steps=STEPS)


def features() -> Tensor:
    """Return the inputs of every training here."""
    return normal(SAMPLES, 8)


def classes() -> Tensor:
    """Return a class per sample."""
    return (features()[:, 0] > 0).long() + (features()[:, 1] > 0).long()


def loader_of(*tensors: Tensor, batch_size: int = 16) -> DataLoader[tuple[Tensor, ...]]:
    """Return a shuffled loader as it stands in most scripts."""
    return DataLoader(TensorDataset(*tensors), batch_size, shuffle=True)


def data_of(*tensors: Tensor) -> Data:
    """Return the data of a task: the same loader, and the first samples to validate on."""
    return Data(train=loader_of(*tensors), valid=TensorDataset(*(one[:32] for one in tensors)))


def perceptron(outputs: int = 3, dropout: float = 0.2) -> nn.Module:
    """Return a perceptron with dropout."""
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, outputs))


def mlp() -> Training:
    """Classes."""
    return Training(
        "mlp",
        lambda: plain_loop(
            perceptron,
            adam,
            loader_of(features(), classes()),
            lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
        ),
        lambda: Task(
            name="mlp",
            data=data_of(features(), classes()),
            model=perceptron,
            update=Update(optimizer=optim.Adam, lr=1e-3),
            stop=STOP,
        ),
    )


def parameter_groups_and_scheduler() -> Training:
    """Weight decay on matrices only, SGD with momentum, and a cosine schedule that moves once per step."""

    def optimizer(net: nn.Module) -> optim.Optimizer:
        decayed = [one for one in net.parameters() if one.ndim > 1]
        others = [one for one in net.parameters() if one.ndim == 1]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "lr": 0.02}]
        return optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)

    def schedule(optimizer: optim.Optimizer) -> LRScheduler:
        return CosineAnnealingLR(optimizer, T_max=STEPS)

    def by_hand() -> tuple[Losses, nn.Module]:
        torch.manual_seed(SEED)
        net = perceptron()
        updates = optimizer(net)
        rates = schedule(updates)

        def step(batch: list[Tensor]) -> Tensor:
            x, y = batch
            loss = F.cross_entropy(net(x), y, label_smoothing=0.1)
            loss.backward()
            updates.step()
            rates.step()
            updates.zero_grad()
            return loss.detach()

        return many_steps(loader_of(features(), classes()), step, lambda: None), net

    return Training(
        "parameter-groups-and-scheduler",
        by_hand,
        lambda: Task(
            name="parameter-groups-and-scheduler",
            data=data_of(features(), classes()),
            model=perceptron,
            loss=nn.CrossEntropyLoss(label_smoothing=0.1),
            update=Update(optimizer=optimizer, schedule=schedule),
            stop=STOP,
        ),
    )


def scheduler_per_epoch() -> Training:
    """A schedule that moves once per epoch."""

    def halved(optimizer: optim.Optimizer) -> LRScheduler:
        return StepLR(optimizer, step_size=2, gamma=0.5)

    def by_hand() -> tuple[Losses, nn.Module]:
        torch.manual_seed(SEED)
        net = perceptron()
        updates = optim.SGD(net.parameters(), lr=0.1)
        rates = halved(updates)

        def step(batch: list[Tensor]) -> Tensor:
            x, y = batch
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            updates.step()
            updates.zero_grad()
            return loss.detach()

        return many_steps(loader_of(features(), classes()), step, rates.step), net

    return Training(
        "scheduler-per-epoch",
        by_hand,
        lambda: Task(
            name="scheduler-per-epoch",
            data=data_of(features(), classes()),
            model=perceptron,
            update=Update(optimizer=optim.SGD, lr=0.1, schedule=Schedule(function=halved, per="epoch")),
            stop=STOP,
        ),
    )


def multi_label() -> Training:
    """Several labels per sample, each yes or no."""
    labels = (features()[:, :4] > 0).float()
    return Training(
        "multi-label",
        lambda: plain_loop(
            lambda: perceptron(4),
            adam,
            loader_of(features(), labels),
            lambda net, batch: F.binary_cross_entropy_with_logits(net(batch[0]), batch[1]),
        ),
        lambda: Task(
            name="multi-label",
            data=data_of(features(), labels),
            model=lambda: perceptron(4),
            loss=nn.BCEWithLogitsLoss(),
            metric="loss",
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


def regression() -> Training:
    """One number per sample as a 1-D target, from a model whose output is squeezed."""
    target = features().sum(1).sin()

    def model() -> nn.Module:
        return nn.Sequential(perceptron(1), nn.Flatten(0))

    return Training(
        "regression",
        lambda: plain_loop(
            model, adam, loader_of(features(), target), lambda net, batch: F.mse_loss(net(batch[0]), batch[1])
        ),
        lambda: Task(
            name="regression",
            data=data_of(features(), target),
            model=model,
            loss=F.mse_loss,
            metric="rmse",
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


class TwoHeads(nn.Module):
    """One body, a class and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.label, self.number = nn.Linear(8, 32), nn.Linear(32, 3), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores and the number."""
        hidden = self.body(x).relu()
        return self.label(hidden), self.number(hidden).squeeze(1)


def multi_task() -> Training:
    """A weighted sum of two losses of two targets, logged one by one."""
    number = features().sum(1).sin()

    def terms(net: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        x, label, value = batch
        scores, guess = net(x)
        return {"label": F.cross_entropy(scores, label), "number": 0.5 * F.huber_loss(guess, value)}

    def total(net: nn.Module, batch: list[Tensor]) -> Tensor:
        x, label, value = batch
        scores, guess = net(x)
        return F.cross_entropy(scores, label) + 0.5 * F.huber_loss(guess, value)

    return Training(
        "multi-task",
        lambda: plain_loop(TwoHeads, adam, loader_of(features(), classes(), number), total),
        lambda: Task(
            name="multi-task",
            data=data_of(features(), classes(), number),
            model=TwoHeads,
            objective=terms,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


def double_precision() -> Training:
    """A float64 model."""
    x = features().double()
    target = x.sum(1, keepdim=True).sin()

    def model() -> nn.Module:
        return perceptron(1, dropout=0.0).double()

    return Training(
        "float64",
        lambda: plain_loop(model, adam, loader_of(x, target), lambda net, batch: F.mse_loss(net(batch[0]), batch[1])),
        lambda: Task(
            name="float64",
            data=data_of(x, target),
            model=model,
            loss="mse",
            metric="mse",
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


def complex_numbers() -> Training:
    """A model of complex parameters, data and outputs with a real loss."""
    signal = torch.complex(normal(SAMPLES, 8, seed=2), normal(SAMPLES, 8, seed=3))
    target = signal.cumsum(1)

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        return (output - wanted).abs().square().mean()

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(8, 16, dtype=torch.complex64), nn.Linear(16, 8, dtype=torch.complex64))

    return Training(
        "complex",
        lambda: plain_loop(model, adam, loader_of(signal, target), lambda net, batch: loss(net(batch[0]), batch[1])),
        lambda: Task(
            name="complex",
            data=data_of(signal, target),
            model=model,
            loss=loss,
            metric="loss",
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


def full_batch() -> Training:
    """Every sample in every step, from a data set without a loader."""
    data = TensorDataset(features(), classes())
    return Training(
        "full-batch",
        lambda: plain_loop(
            lambda: perceptron(dropout=0.0),
            lambda net: optim.SGD(net.parameters(), lr=0.1),
            [data.tensors],
            lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
        ),
        lambda: Task(
            name="full-batch",
            data=Data(train=data, valid=data),
            model=lambda: perceptron(dropout=0.0),
            update=Update(optimizer="sgd", lr=0.1),
            batch_size=None,
            stop=STOP,
        ),
    )


TRAININGS = (
    mlp(),
    parameter_groups_and_scheduler(),
    scheduler_per_epoch(),
    multi_label(),
    regression(),
    multi_task(),
    double_precision(),
    complex_numbers(),
    full_batch(),
)
