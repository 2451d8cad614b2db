"""Small tasks to profile."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from hasten.machine.set_threads import threads_set
from hasten.training.task import Data, Stop, Task, Update

MakeTask = Callable[..., Task]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Time with one thread: two that share a busy core wait for each other, and that is not what is tested."""
    with threads_set(1):
        yield


@pytest.fixture
def make_task() -> MakeTask:
    """Return a function that makes a small classification task; its arguments replace parts of it."""

    def make(*, samples: int = 256, features: int = 16, **changes: Any) -> Task:
        generator = torch.Generator().manual_seed(1)
        inputs = torch.randn(samples, features, generator=generator)
        labels = torch.randint(0, 4, (samples,), generator=generator)
        dataset = TensorDataset(inputs, labels)
        parts: dict[str, Any] = {
            "name": "small",
            "data": Data(train=dataset, valid=dataset),
            "model": lambda: nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4)),
            "update": Update(optimizer="adamw", lr=1e-3),
            "batch_size": 32,
            "stop": Stop(epochs=3),
        }
        return Task(**(parts | changes))

    return make
