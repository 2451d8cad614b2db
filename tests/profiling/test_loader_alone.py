import time
from collections.abc import Callable
from typing import Any

import pytest
from torch.utils.data import Dataset

from hasten.profiling import loader_alone as module
from hasten.profiling.loader_alone import loader_alone
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.task import Data, Task

MakeTask = Callable[..., Task]


class Sleeping(Dataset[Any]):
    """Waits before each sample, as for a disk."""

    def __init__(self, of: Dataset[Any]) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        time.sleep(1e-3)
        return self.of[index]


def test_a_loader_that_waits_leaves_its_core_idle(make_task: MakeTask) -> None:
    task = make_task()
    slow = make_task(data=Data(train=Sleeping(task.data.train), valid=task.data.valid))
    found = loader_alone(build(baseline(slow)), budget_s=0.1)
    assert found.sample_s >= 1e-3
    assert found.batch_s >= 32e-3
    assert found.cpu_share < 0.4
    assert found.workers == 0
    assert found.pinned is None


def test_a_loader_that_computes_keeps_its_core_busy(make_task: MakeTask) -> None:
    found = loader_alone(build(baseline(make_task())), budget_s=0.1)
    assert found.cpu_share > 0.6
    assert found.batch_s > found.sample_s


def test_a_worker_that_waits_for_a_core_is_not_idle(make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.perf_counter()

    def waited_s(process: int | None = None) -> float:
        return 0.0 if process is None else 0.8 * (time.perf_counter() - began)

    task = make_task()
    slow = make_task(data=Data(train=Sleeping(task.data.train), valid=task.data.valid, workers=1))
    alone = loader_alone(build(baseline(slow)), budget_s=0.3)
    monkeypatch.setattr(module, "waited_for_core_s", waited_s)
    shared = loader_alone(build(baseline(slow)), budget_s=0.3)
    assert alone.workers == shared.workers == 1
    assert shared.cpu_share > 2 * alone.cpu_share
