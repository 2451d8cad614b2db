"""The code of docs/tasks.md, run as it stands: every task in it is understood and can make its first step."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

import hasten
from hasten import Data, Schedule, Task, Update

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def names() -> dict[str, Any]:
    """Return what the page says that its examples use."""
    inputs = torch.randn(24, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(24) % 3
    return {
        "inputs": inputs,
        "labels": labels,
        "pairs": TensorDataset(inputs, labels),
        "small": Small,
        "groups": lambda model: model.parameters(),
        **{one.__name__: one for one in (Data, Schedule, Task, Update, CosineAnnealingLR, StepLR)},
        **{one.__name__: one for one in (DataLoader, Dataset, IterableDataset, TensorDataset, default_collate)},
        "hasten": hasten,
        "nn": nn,
        "torch": torch,
    }


class Small(nn.Linear):
    """`nn.Linear(5, 3)`, whose argument is called `input`."""

    def __init__(self) -> None:
        super().__init__(5, 3)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_page_runs(number: int) -> None:
    known = names()
    code = compile(BLOCKS[number], "docs/tasks.md", "exec", dont_inherit=True)
    made: list[Task] = []
    known["Task"] = lambda **fields: made.append(Task(**fields)) or made[-1]
    exec(code, known)
    for task in made:
        found = hasten.check(task)
        assert (found.without_gradient, found.not_in_optimizer, found.not_in_model) == ((), (), ()), task.name
    assert made or "Update(" in BLOCKS[number]


def test_each_form_of_the_objective_divides_by_what_the_page_says() -> None:
    block = next(block for block in BLOCKS if "def summed" in block)
    exec(block, known := names())
    found = {task.name: hasten.check(task).divides_by for task in known["tasks"]}
    assert found == {
        "scalar": "the labels that are not -100",
        "counted": "the count that it returns",
        "terms": "the labels that are not -100",
        "summed": "the count that it returns",
    }
