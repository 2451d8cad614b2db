"""Small tasks that train in milliseconds, for tests."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update


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
