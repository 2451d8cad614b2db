"""Small tasks that train in milliseconds, for tests."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.training.loss import CrossEntropy


def mlp_task(*, samples: int = 50, batch_size: int | None = 8, dropout: float = 0.0, **changes: Any) -> Task:
    """Two classes in five dimensions, and a small multilayer perceptron."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(samples, 5, generator=generator)
    y = (x[:, 0] + x[:, 1] > 0).long()

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))

    task = Task(
        name="tiny",
        data=Data(train=TensorDataset(x, y), valid=TensorDataset(x[:20], y[:20])),
        model=model,
        update=Update(optimizer="adam", lr=1e-2),
        batch_size=batch_size,
        stop=Stop(epochs=3),
    )
    return replace(task, **changes)


def cnn_task(*, norm: bool = True, **changes: Any) -> Task:
    """Small images of three classes, and a small convolutional network."""
    generator = torch.Generator().manual_seed(2)
    y = torch.arange(48) % 3
    x = torch.randn(48, 2, 9, 7, generator=generator) + y.view(-1, 1, 1, 1)

    def model() -> nn.Module:
        between = nn.BatchNorm2d(8) if norm else nn.Identity()
        return nn.Sequential(nn.Conv2d(2, 8, 3), between, nn.ReLU(), nn.Flatten(), nn.Linear(8 * 7 * 5, 3))

    task = Task(
        name="tiny-images",
        data=Data(train=TensorDataset(x, y), valid=TensorDataset(x[:12], y[:12])),
        model=model,
        update=Update(optimizer="momentum", lr=1e-2),
        batch_size=12,
        stop=Stop(epochs=2),
    )
    return replace(task, **changes)


def regression_task(**changes: Any) -> Task:
    """One number from four, with a linear model."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(30, 4, generator=generator)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
    task = Task(
        name="tiny-regression",
        data=Data(train=TensorDataset(x, y), valid=TensorDataset(x[:10], y[:10])),
        model=lambda: nn.Linear(4, 1),
        loss="mse",
        metric="rmse",
        update=Update(optimizer="sgd", lr=0.05),
        batch_size=10,
        stop=Stop(epochs=20),
    )
    return replace(task, **changes)


class _Residual(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.activation, self.drop = nn.GELU(), nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop(self.down(self.activation(self.up(self.norm(x)))))


def block_task(*, dropout: float = 0.1, **changes: Any) -> Task:
    """The next of eleven tokens in sequences of seven, and three residual blocks between embedding and head."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randint(0, 11, (40, 7), generator=generator)

    def model() -> nn.Module:
        blocks = nn.Sequential(*(_Residual(12, dropout) for _ in range(3)))
        return nn.Sequential(nn.Embedding(11, 12), blocks, nn.Linear(12, 11))

    task = Task(
        name="tiny-blocks",
        data=Data(train=TensorDataset(x, (3 * x + 1) % 11), valid=TensorDataset(x[:10], (3 * x[:10] + 1) % 11)),
        model=model,
        metric="loss",
        update=Update(optimizer="adamw", lr=1e-2),
        batch_size=8,
        stop=Stop(epochs=4),
    )
    return replace(task, **changes)


class Computed(Dataset[Any]):
    """Samples made one at a time, as decoding does."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.arange(index, index + 5) / 40, index % 2


def computed_task(**changes: Any) -> Task:
    """Two classes of samples that are made one at a time."""
    return mlp_task(name="tiny-computed", data=Data(train=Computed(50), valid=Computed(10)), **changes)


def padded_task(**changes: Any) -> Task:
    """Texts of eight tokens, most of them padding, with a target for each token; padding counts for nothing."""
    x, y = padded_texts()
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:9], y[:9]))
    return block_task(name="tiny-padded", data=data, **{"loss": CrossEntropy(ignore_index=-100)} | changes)


def padded_texts() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(1, 11, (40, 8), generator=torch.Generator().manual_seed(6))
    behind = torch.arange(8) >= 1 + torch.arange(40)[:, None] % 6
    return tokens.masked_fill(behind, 0), ((3 * tokens + 1) % 11).masked_fill(behind, -100)


class MeanOfTokens(nn.Module):
    """A score for each class from the mean embedding of a text; padding is embedded as zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 12, padding_idx=0), nn.Linear(12, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(tokens).sum(1) / (tokens != 0).sum(1, keepdim=True))


def padded_classes_task(**changes: Any) -> Task:
    """The same texts with one of two classes each."""
    x, _ = padded_texts()
    y = (x.sum(1) > 12).long()
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:9], y[:9]))
    return mlp_task(name="tiny-texts", **{"data": data, "model": MeanOfTokens} | changes)
