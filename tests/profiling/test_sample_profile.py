"""What reading and changing a batch is spent on, on data sets whose costs are planted."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.data.batch import Batch
from hasten.profiling.loader_alone import loader_alone
from hasten.profiling.sample_profile import change_times, sample_reading
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.task import Task

MakeTask = Callable[..., Task]


def slow_sum(count: int) -> int:
    total = 0
    for number in range(count):
        total += number
    return total


class Working(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, work: Callable[[], object]) -> None:
        self.work, self.read = work, list[int]()

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.read.append(index)
        self.work()
        return torch.zeros(4), torch.tensor(index)


def test_a_sample_that_waits_is_told_from_one_that_computes() -> None:
    waiting = sample_reading(Working(lambda: time.sleep(2e-2)), 1000, budget_s=1.0)
    assert waiting.waits > 0.5
    assert waiting.sample_s >= 2e-2
    assert waiting.hot == "time.sleep"
    computing = sample_reading(Working(lambda: slow_sum(50_000)), 1000, budget_s=1.0)
    assert computing.waits < 0.5
    assert computing.hot == "slow_sum"


def test_samples_come_from_all_over_the_data_and_the_budget_is_kept() -> None:
    data = Working(lambda: None)
    found = sample_reading(data, len(data), budget_s=1.0)
    assert len(set(data.read)) == 128
    assert min(data.read) < 100
    assert max(data.read) > 900
    assert found.collate_s
    slow = Working(lambda: time.sleep(0.05))
    sample_reading(slow, len(slow), budget_s=0.01)
    assert len(slow.read) == 2  # one timed, one watched


def test_methods_of_c_are_told_by_the_type_they_belong_to() -> None:
    text = "a b " * 200_000
    assert sample_reading(Working(text.split), 1000, budget_s=1.0).hot == "str.split"


class Ragged(Working):
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(index + 1), torch.tensor(index)


def test_samples_that_torch_cannot_put_together_are_read_all_the_same() -> None:
    found = sample_reading(Ragged(lambda: None), 1000, budget_s=1.0)
    assert found.collate_s is None
    assert found.sample_s > 0


def later(batch: Batch) -> Batch:
    time.sleep(2e-3)
    return batch


class Longer:
    def __call__(self, batch: Batch, draws: object) -> Batch:
        time.sleep(4e-3)
        return batch


def test_every_change_of_a_batch_is_timed_by_its_name(make_task: MakeTask) -> None:
    recipe = baseline(make_task())
    recipe = replace(recipe, input=replace(recipe.input, augment=(Longer(),), batch_transforms=(later, later)))
    found = change_times(build(recipe))
    assert list(found) == ["Longer", "later"]
    assert found["Longer"] >= 4e-3
    assert found["later"] >= 4e-3  # twice


def test_the_loader_alone_says_what_its_batches_are_made_of(make_task: MakeTask) -> None:
    recipe = baseline(make_task())
    changed: Any = replace(recipe, input=replace(recipe.input, batch_transforms=(later,), ahead=2))
    found = loader_alone(build(changed), budget_s=0.1)
    assert found.ahead
    assert found.change_s["later"] >= 2e-3
    assert found.batch_s >= 2e-3
    assert found.sample_waits is not None
    assert found.hot
