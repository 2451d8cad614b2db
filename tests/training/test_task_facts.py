"""What is said of a task before it is trained."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from hasten.training.facts import task_facts
from hasten.training.recipe import baseline
from hasten.training.task import Data, Task


def task(inputs: torch.Tensor, target: torch.Tensor, model: Callable[[], nn.Module], **more: Any) -> Task:
    dataset = TensorDataset(inputs, target)
    return Task(name="small", data=Data(train=dataset, valid=dataset), model=model, **more)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            task(
                torch.randn(20, 1, 28, 28),
                torch.arange(20) % 3,  # labels of a few of the classes
                lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
            ),
            "1x28x28 -> 10 classes",
        ),
        (
            task(torch.randn(20, 8), torch.randn(20, 1), lambda: nn.Linear(8, 1), loss="mse", metric="mse"),
            "8 -> 1",
        ),
    ],
)
def test_a_sample_is_described_by_its_shapes_or_classes(made: Task, expected: str) -> None:
    before = torch.get_rng_state()
    assert task_facts(baseline(made)).sample_shape == expected
    assert torch.equal(torch.get_rng_state(), before)
