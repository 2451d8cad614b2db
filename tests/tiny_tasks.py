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
