"""Ten small trainings of 1 to 5 s for the choice of the learning rate, each with a grid of 15 rates around its best.

Two more, of 400 updates, are for the end: nothing is fitted to them, and no rule was chosen by them.

Data are generated, so that each is as large as it needs to be; their noise keeps the loss above zero.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Schedule, Stop, Task, Update

GRID_POINTS = 15
GRID_STEP = 10 ** (1 / 4)
"""From one rate of the grid to the next: 15 points cover 3.5 decades."""


def generator(seed: int) -> torch.Generator:
    """Return random numbers of a workload's own."""
    return torch.Generator().manual_seed(seed)


def mlp(*sizes: int) -> nn.Sequential:
    """Return linear layers of these widths with ReLU between."""
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def split(x: Tensor, y: Tensor, valid: int) -> Data:
    """Return the last `valid` samples as validation data."""
    return Data(train=TensorDataset(x[:-valid], y[:-valid]), valid=TensorDataset(x[-valid:], y[-valid:]))


def task(name: str, data: Data, model: Callable[[], nn.Module], update: Update, *, steps: int, **rest: object) -> Task:
    """Return a workload that is judged by its loss at the end."""
    return Task(
        name=name,
        data=data,
        model=model,
        update=update,
        metric="loss",
        stop=Stop(steps=steps, evaluate_every=steps),
        **rest,  # type: ignore[arg-type]
    )


def teacher(seed: int, samples: int, inputs: int, classes: int, noise: float) -> tuple[Tensor, Tensor]:
    """Return inputs with the class that a random network gives them; a share `noise` of the labels is random."""
    draws = generator(seed)
    x = torch.randn(samples, inputs, generator=draws)
    first, second = (torch.randn(a, b, generator=draws) for a, b in ((inputs, 32), (32, classes)))
    y = (torch.relu(x @ first) @ second).argmax(1)
    other = torch.randint(0, classes, (samples,), generator=draws)
    return x, torch.where(torch.rand(samples, generator=draws) < noise, other, y)


def ill_conditioned() -> Task:
    """Linear regression whose inputs have scales from 1 to 1/30."""
    draws = generator(1)
    x = torch.randn(20_000, 32, generator=draws) * torch.logspace(0, -1.5, 32)
    y = x @ torch.randn(32, 1, generator=draws) + 0.3 * torch.randn(20_000, 1, generator=draws)
    update = Update(optimizer="sgd", lr=0.01)
    return task("regression-sgd", split(x, y, 2000), lambda: nn.Linear(32, 1), update, loss="mse", steps=12_000)


def noisy_classes() -> Task:
    """A classifier of noisy labels with momentum and a cosine schedule after a warm-up."""
    x, y = teacher(2, 42_000, 20, 5, 0.2)
    update = Update(optimizer="momentum", lr=0.3, schedule=Schedule("cosine", warmup=200))
    return task("classes-momentum-cosine", split(x, y, 2000), lambda: mlp(20, 64, 64, 5), update, steps=6000)


def classes_adam() -> Task:
    """The same kind of data with Adam at a fixed rate that is too small."""
    x, y = teacher(3, 42_000, 20, 5, 0.1)
    update = Update(optimizer="adam", lr=1e-4)
    return task("classes-adam", split(x, y, 2000), lambda: mlp(20, 64, 64, 5), update, steps=2000)


def surface() -> Task:
    """Regression of a smooth function with AdamW and a linear schedule."""
    draws = generator(4)
    x = 2 * torch.rand(30_000, 6, generator=draws) - 1
    y = torch.sin(3 * x[:, :1] * x[:, 1:2]) + x[:, 2:3] ** 2 + 0.5 * torch.cos(4 * x[:, 3:4])
    y = y + 0.1 * torch.randn(y.shape, generator=draws)
    update = Update(optimizer="adamw", lr=0.03, schedule="linear")
    return task("surface-adamw-linear", split(x, y, 2000), lambda: mlp(6, 64, 64, 1), update, loss="mse", steps=2000)


def digits(model: Callable[[], nn.Module], name: str, update: Update, *, steps: int, size: int) -> Task:
    """The bundled digits, repeated with noise so that they are not learned by heart at once."""
    found = load_digits()
    x = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
    order = torch.randperm(len(x), generator=generator(5))
    x, y = x[order], torch.tensor(found.target)[order]
    x = x + 0.3 * torch.randn(x.shape, generator=generator(6))
    return task(name, split(x, y, 500), model, update, steps=steps, batch_size=size)


def digits_convolutions() -> Task:
    """A small convolutional network on digits with momentum and a one-cycle schedule."""

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip

    update = Update(optimizer="momentum", lr=0.5, schedule="one_cycle")
    return digits(model, "digits-cnn-one-cycle", update, steps=1500, size=32)


def autoencoder() -> Task:
    """An autoencoder of digits with Adam at a fixed rate."""
    base = digits(lambda: nn.Sequential(nn.Flatten(), mlp(64, 48, 12, 48, 64)), "x", Update(), steps=1, size=64)
    train, valid = (part.tensors[0] for part in (base.data.train, base.data.valid))
    data = Data(train=TensorDataset(train, train.flatten(1)), valid=TensorDataset(valid, valid.flatten(1)))
    update = Update(optimizer="adam", lr=3e-2)
    return replace(
        base, name="autoencoder-adam", data=data, loss="mse", update=update, stop=Stop(steps=1600, evaluate_every=1600)
    )


class Attention(nn.Module):
    """A transformer of one block over short sequences of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(16, 32), nn.Parameter(0.02 * torch.randn(12, 32))
        self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.block(self.embed(x) + self.place, src_mask=mask, is_causal=True))


def chains(seed: int, samples: int, length: int) -> tuple[Tensor, Tensor]:
    """Return sequences of a Markov chain of second order, and the token that follows each."""
    draws = generator(seed)
    table = torch.softmax(2.5 * torch.randn(16, 16, 16, generator=draws), -1)
    tokens = torch.randint(0, 16, (samples, length + 1), generator=draws)
    for place in range(2, length + 1):
        chances = table[tokens[:, place - 2], tokens[:, place - 1]]
        tokens[:, place] = torch.multinomial(chances, 1, generator=draws).squeeze(1)
    return tokens[:, :-1], tokens[:, 1:]


def transformer() -> Task:
    """Next tokens of a Markov chain with a transformer, AdamW and a cosine schedule after a warm-up."""
    x, y = chains(7, 12_000, 12)
    update = Update(optimizer="adamw", lr=1e-4, schedule=Schedule("cosine", warmup=100))
    return task("tokens-transformer", split(x, y, 1000), Attention, update, steps=600, batch_size=32)


class Recurrent(nn.Module):
    """A GRU over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.core, self.head = nn.Embedding(16, 24), nn.GRU(24, 48, batch_first=True), nn.Linear(48, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.core(self.embed(x))[0])


def recurrent() -> Task:
    """The same kind of data with a GRU and Adam at a fixed rate."""
    x, y = chains(8, 12_000, 12)
    return task("tokens-gru-adam", split(x, y, 1000), Recurrent, Update(lr=1e-3), steps=600, batch_size=32)


class Words(nn.Module):
    """A bag of words with a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.EmbeddingBag(500, 32), mlp(32, 32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))


def two_groups(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with a larger rate for the embedding."""
    parts = dict(model.named_children())
    groups = [{"params": parts["embed"].parameters(), "lr": 3e-3}, {"params": parts["head"].parameters(), "lr": 3e-4}]
    return torch.optim.AdamW(groups)


def words() -> Task:
    """Texts of random words of four topics, with two parameter groups and a linear schedule."""
    draws = generator(9)
    topics = torch.softmax(1.2 * torch.randn(4, 500, generator=draws), -1)
    y = torch.randint(0, 4, (24_000,), generator=draws)
    x = torch.multinomial(topics[y], 12, replacement=True, generator=draws)
    update = Update(optimizer=two_groups, schedule="linear")
    return task("words-two-groups", split(x, y, 2000), Words, update, steps=1500)


def deep() -> Task:
    """Ten layers with batch norm, momentum and a fixed rate."""

    def model() -> nn.Module:
        blocks = [nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU()) for _ in range(6)]
        return nn.Sequential(nn.Linear(16, 32), *blocks, nn.Linear(32, 3))

    x, y = teacher(10, 42_000, 16, 3, 0.05)
    update = Update(optimizer="momentum", lr=3e-3)
    return task("deep-batch-norm", split(x, y, 2000), model, update, steps=1200)


def friedman() -> Task:
    """The regression of Friedman (1991) with a network of tanh, RMSprop and a fixed rate."""
    draws = generator(11)
    x = torch.rand(14_000, 10, generator=draws)
    y = 10 * torch.sin(torch.pi * x[:, :1] * x[:, 1:2]) + 20 * (x[:, 2:3] - 0.5) ** 2 + 10 * x[:, 3:4] + 5 * x[:, 4:5]
    y = (y + torch.randn(y.shape, generator=draws) - 14) / 5

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(10, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))

    update = Update(optimizer="rmsprop", lr=3e-4)
    return task("friedman-rmsprop", split(x, y, 2000), model, update, loss="mse", steps=400, batch_size=32)


def waves() -> Task:
    """Waves of four frequencies in noise, with convolutions, momentum, weight decay and a cosine schedule."""
    draws = generator(12)
    y = torch.randint(0, 4, (14_000,), generator=draws)
    phase, time = 6.3 * torch.rand(14_000, 1, generator=draws), torch.arange(32)
    x = torch.sin(0.4 * (1 + 0.35 * y[:, None]) * time + phase) + 1.2 * torch.randn(14_000, 32, generator=draws)

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv1d(1, 12, 7, padding=3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(12, 16, 5, padding=2), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 4),
        )  # fmt: skip

    update = Update(optimizer="momentum", lr=1.0, options={"weight_decay": 1e-4}, schedule="cosine")
    return task("waves-cnn-cosine", split(x.unsqueeze(1), y, 2000), model, update, steps=400, batch_size=32)


Workloads = dict[str, tuple[Callable[[], Task], float]]

WORKLOADS: Workloads = {
    "regression-sgd": (ill_conditioned, 0.03),
    "classes-momentum-cosine": (noisy_classes, 0.1),
    "classes-adam": (classes_adam, 3e-3),
    "surface-adamw-linear": (surface, 1e-2),
    "digits-cnn-one-cycle": (digits_convolutions, 0.1),
    "autoencoder-adam": (autoencoder, 3e-3),
    "tokens-transformer": (transformer, 5e-3),
    "tokens-gru-adam": (recurrent, 1e-2),
    "words-two-groups": (words, 3e-3),
    "deep-batch-norm": (deep, 0.1),
}
"""Name -> how it is made, and the center of its grid, found by hand."""
UNSEEN: Workloads = {"friedman-rmsprop": (friedman, 3e-3), "waves-cnn-cosine": (waves, 5e-2)}
"""Those that are looked at in the end only; the centers of their grids were guessed."""
ALL: Workloads = WORKLOADS | UNSEEN


def grid(name: str) -> list[float]:
    """Return the 15 rates of a workload; of its first parameter group where it has several."""
    half = GRID_POINTS // 2
    return [ALL[name][1] * GRID_STEP**place for place in range(-half, half + 1)]


def with_factor(given: Task, factor: float) -> Task:
    """Return the task with the rates of all parameter groups multiplied."""
    update = given.update
    if not isinstance(update.optimizer, str):
        assert given.name == "words-two-groups", "the only one with a function"
        return replace(given, update=replace(update, optimizer=lambda model: scaled(two_groups(model), factor)))
    assert update.lr is not None, "named optimizers have a rate"
    return replace(given, update=replace(update, lr=update.lr * factor))


def scaled(optimizer: torch.optim.Optimizer, factor: float) -> torch.optim.Optimizer:
    """Multiply the rates of an optimizer's groups."""
    for group in optimizer.param_groups:
        group["lr"] *= factor
    return optimizer


def own_rate(given: Task) -> float:
    """Return the rate of a task's first parameter group."""
    return given.update.lr if given.update.lr is not None else 3e-3
