"""Workers that raise, Ctrl-C while workers run, loaders with a state of their own, and what refuses a stream."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.base.errors import TrainingFailed
from hasten.base.records.plan import Plan
from hasten.base.records.run import Progress
from hasten.base.stages import Stage
from hasten.machine import facts
from hasten.techniques.applying import why_refused
from hasten.techniques.registry import techniques
from hasten.training.recipe import baseline
from hasten.training.run_folder import CHECKPOINT
from hasten.training.running import Trained, run_training

from tiny_tasks import block_task, cnn_task

X = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] > 0).long()
PAIRS = TensorDataset(X, Y)
EMPTY = Plan(task="workers")


class Worn(Dataset[Any]):
    """A data set whose sample 30 cannot be read in a worker, and can be in the process that looks at it first."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        if index == 30 and torch.utils.data.get_worker_info() is not None:
            raise OSError("the disk has gone")
        return X[index], Y[index]


class WornStream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return (Worn()[index] for index in range(40))


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def task(data: Data, **changes: Any) -> Task:
    given = {"model": plain, "update": Update(optimizer="adam", lr=1e-2), "stop": Stop(epochs=3)}
    return Task(name="workers", data=data, **(given | changes))


def trained(made: Task, folder: Path | None = None, *, resume: bool = False) -> tuple[Trained, list[float | None]]:
    losses: list[float | None] = []

    def note(event: object) -> None:
        if isinstance(event, Progress):
            losses.extend(event.losses)

    return run_training(baseline(made), EMPTY, show=note, folder=folder, resume=resume), losses


# a worker that raises


@pytest.mark.parametrize(
    ("make", "step"),
    [
        (lambda: task(Data(train=Worn(), valid=PAIRS, workers=1), batch_size=8), "[1-5]"),
        (lambda: task(Data(train=DataLoader(Worn(), 8, num_workers=2), valid=PAIRS)), "4"),
        (lambda: task(Data(train=DataLoader(Worn(), 8, num_workers=1, persistent_workers=True), valid=PAIRS)), "4"),
        (lambda: task(Data(train=DataLoader(WornStream(), 8, num_workers=1), valid=PAIRS)), "4"),
    ],
    ids=["workers", "loader", "persistent", "stream"],
)
def test_a_worker_that_raises_is_one_message_with_its_line_and_leaves_no_process(
    make: Callable[[], Task], step: str
) -> None:
    with pytest.raises(TrainingFailed) as caught:
        trained(make())
    said = rf"training failed at step {step}: OSError: the disk has gone, raised at .*test_workers_and_streams\.py:\d+"
    assert re.match(said, str(caught.value))
    assert "\n" not in str(caught.value)
    assert psutil.Process().children() == []


# Ctrl-C


def interrupted_in_step_2(folder: Path) -> Callable[[], nn.Module]:
    """Build models that send Ctrl-C to this process and its workers, as a terminal does, until a run is saved."""

    class Signal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.steps = plain(), 0

        def forward(self, x: Tensor) -> Tensor:
            self.steps += self.training
            if self.training and self.steps == 2 and not (folder / CHECKPOINT).exists():
                workers = psutil.Process().children()
                assert workers, "there is somebody to interrupt"
                for one in workers:
                    one.send_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return self.model(x)

    return Signal


@pytest.mark.parametrize(
    "make",
    [
        lambda: Data(train=DataLoader(PAIRS, 8, shuffle=True, num_workers=1), valid=PAIRS),
        lambda: Data(train=DataLoader(PAIRS, 8, shuffle=True, num_workers=1, persistent_workers=True), valid=PAIRS),
        lambda: Data(train=PAIRS, valid=PAIRS, workers=1),
    ],
    ids=["loader", "persistent", "workers"],
)
def test_ctrl_c_reaches_the_run_and_not_its_workers_and_resumes_to_the_same_bits(
    make: Callable[[], Data], tmp_path: Path
) -> None:
    size: dict[str, Any] = {"stop": Stop(epochs=1)}
    size |= {} if isinstance(make().train, DataLoader) else {"batch_size": 8}
    whole, losses = trained(task(make(), **size))
    model = interrupted_in_step_2(tmp_path)
    first, begun = trained(task(make(), model=model, **size), tmp_path)
    assert (first.interrupted_by, first.result.steps) == (signal.SIGINT, 2)
    assert psutil.Process().children() == []
    rest, ended = trained(task(make(), model=model, **size), tmp_path, resume=True)
    assert begun + ended == losses
    for one, other in zip(rest.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)


# a loader that says its own place


class Placed:
    """Batches from a file read forwards: it cannot begin anew in the middle, but says and takes its place."""

    def __init__(self) -> None:
        self.place = 0
        self.begun: list[int] = []

    def __iter__(self) -> Iterator[Any]:
        self.begun.append(self.place)
        while self.place < 5:
            first, self.place = 8 * self.place, self.place + 1
            yield X[first : first + 8], Y[first : first + 8]
        self.place = 0

    def state_dict(self) -> dict[str, int]:
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.place = state["place"]


@pytest.mark.parametrize("steps", [2, 5, 8])
def test_a_loader_with_state_dict_resumes_at_its_place(steps: int, tmp_path: Path) -> None:
    whole, losses = trained(task(Data(train=Placed(), valid=PAIRS)))
    once = task(Data(train=Placed(), valid=PAIRS), stop=Stop(steps=steps, evaluate_every=100))
    _, begun = trained(once, tmp_path)
    again = Placed()
    rest, ended = trained(task(Data(train=again, valid=PAIRS)), tmp_path, resume=True)
    assert begun + ended == losses
    assert again.begun[-1 - (14 - steps) // 5] == steps % 5, "it began where it was left, and read no batch again"
    for one, other in zip(rest.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)


# a stream


def streamed(made: Task) -> Task:
    """Return a task with its training data as an iterable of batches."""

    class Batches:
        def __init__(self) -> None:
            self.batches = list(DataLoader(made.data.train, 8))

        def __iter__(self) -> Iterator[Any]:
            return iter(self.batches)

    fields = {"model": made.model, "update": made.update, "stop": Stop(steps=4000), "metric": "loss"}
    return Task(name="streamed", data=Data(train=Batches(), valid=made.data.valid), **fields)


def pooled() -> nn.Module:
    """Return a network for images of any size."""
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), pool, nn.Flatten(), nn.Linear(8, 3))


BY_BATCH = {"prefetch", "augmentation", "channels_last_delivery", "progressive_length", "progressive_resolution"}
"""Techniques of the input that work on batches as they come."""


@pytest.mark.parametrize("name", sorted(name for name, one in techniques().items() if one.card.stage is Stage.INPUT))
def test_techniques_that_read_or_choose_samples_refuse_a_stream(name: str) -> None:
    recipes = [baseline(streamed(made)) for made in (cnn_task(model=pooled), block_task())]
    machines = (facts(), msgspec.structs.replace(facts(), memory_bytes=1))
    reasons = [why_refused(techniques()[name](), recipe, one) for recipe in recipes for one in machines]
    assert (None in reasons) == (name in BY_BATCH), reasons
