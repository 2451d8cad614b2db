"""An ejected script reads data as its task does: loaders as they are, streams, collate, the person's own evaluation."""

import runpy
import sys
from pathlib import Path

import pytest

from hasten.pipeline.eject.ejecting import eject
from hasten.tasks.loading import load_task
from hasten.techniques.applying import plan_of
from hasten.training.task import Task

sys.path.append(str(Path(__file__).parent.parent / "contract"))
from contract_tasks import machine
from ejected import assert_same, clean, run_in_forks
from forked import Forked

TASKS = '''
import dataclasses
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from hasten import Data, Stop, Task, Update


class Streamed(IterableDataset):
    """Samples in another order in each pass."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        for i in torch.randperm(len(self.x)).tolist():
            yield self.x[i], self.y[i]


def joined(samples):
    x, y = zip(*samples)
    return torch.stack(x) * 2, torch.stack(y)


def columns(start, stop):
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    return x[start:stop], (x.sum(1) > 0).long()[start:stop]


def batches():
    x, y = columns(0, 50)
    for start in range(0, 50, 10):
        yield x[start : start + 10], y[start : start + 10]


def model():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2))


def share_of_ones(net):
    return {"ones": float(net(columns(50, 60)[0]).argmax(1).float().mean()), "loss": 0.5}


UPDATE = Update(optimizer=torch.optim.Adam, lr=1e-2)
STOP = Stop(steps=50, evaluate_every=7)


def shuffled():
    train = TensorDataset(*columns(0, 50))
    valid = TensorDataset(*columns(50, 60))
    return Task(
        name="shuffled",
        data=Data(train=DataLoader(train, batch_size=8, shuffle=True), valid=DataLoader(valid, batch_size=4)),
        model=model,
        update=UPDATE,
        stop=STOP,
    )


def weighted():
    train = TensorDataset(*columns(0, 50))
    sampler = WeightedRandomSampler(torch.linspace(0.1, 1, 50), 40)
    return Task(
        name="weighted",
        data=Data(
            train=DataLoader(train, batch_size=16, sampler=sampler, drop_last=True, collate_fn=joined),
            valid=TensorDataset(*columns(50, 60)),
        ),
        model=model,
        update=UPDATE,
        stop=STOP,
    )


def streamed():
    return Task(
        name="streamed",
        data=Data(
            train=Streamed(*columns(0, 50)), valid=TensorDataset(*columns(50, 60)), collate=joined, steps_per_epoch=5
        ),
        model=model,
        update=UPDATE,
        batch_size=8,
        stop=STOP,
    )


def given():
    return Task(
        name="given",
        data=Data(train=batches, steps_per_epoch=5),
        model=model,
        update=UPDATE,
        validate=share_of_ones,
        metric="ones",
        higher_is_better=True,
        stop=STOP,
    )


def judged():
    valid = TensorDataset(*columns(50, 60))
    return Task(
        name="judged",
        data=Data(train=TensorDataset(*columns(0, 50)), valid=DataLoader(valid, batch_size=4, shuffle=True)),
        model=model,
        update=UPDATE,
        validate=share_of_ones,
        metric="ones",
        higher_is_better=True,
        batch_size=8,
        stop=STOP,
    )


def streamed_by_epoch():
    data = Data(train=Streamed(*columns(0, 50)), valid=TensorDataset(*columns(50, 60)))
    return Task(name="streamed_by_epoch", data=data, model=model, update=UPDATE, batch_size=8, stop=Stop(steps=50))


class Noisy(Dataset):
    """Samples that draw from torch's global generator and from one of their own."""

    def __init__(self, count):
        self.x, self.y = columns(0, count)
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i] + 0.1 * torch.randn(4) + float(self.rng.normal()), self.y[i]


def noisy():
    return Task(
        name="noisy",
        data=Data(train=Noisy(50), valid=Noisy(10)),
        model=model,
        update=UPDATE,
        batch_size=8,
        stop=STOP,
    )


SPREAD = torch.randn(4)


def shifted(by):
    x = torch.randn(60, 4) + by * SPREAD
    y = (x.sum(1) > 0).long()
    return Data(train=TensorDataset(x[:50], y[:50]), valid=TensorDataset(x[50:], y[50:]))


def drawn(by=0.5):
    """Data that are drawn, after a layer that the task does not need."""
    _ = nn.Linear(3, 3)
    data = shifted(by)
    task = Task(name="drawn", data=data, model=model, update=UPDATE, batch_size=12, stop=STOP)
    return task


def again():
    return dataclasses.replace(drawn(), name="again", seed=3)


def lists(samples):
    return [x for x, _ in samples], {"classes": torch.stack([y for _, y in samples])}


def of_lists(net, batch):
    xs, targets = batch
    jitter = 0.01 * random.random() + 0.01 * np.random.rand()
    return nn.functional.cross_entropy(net(torch.stack(xs) + jitter), targets["classes"]), len(xs)


def listed():
    """Batches of lists and dicts, an objective and an evaluation that draw from Python's and numpy's generators."""
    samples = [*zip(*columns(0, 60))]
    held = samples[50:]

    def validate(net):
        return {"loss": float(of_lists(net, lists(held))[0])}

    return Task(
        name="listed",
        data=Data(train=samples[:50], collate=lists),
        model=lambda: nn.Sequential(nn.LazyLinear(8), nn.Dropout(0.1), nn.LazyLinear(2)),
        objective=of_lists,
        validate=validate,
        metric="loss",
        higher_is_better=False,
        update=Update(optimizer=torch.optim.Adam, lr=1e-2),
        batch_size=8,
        stop=STOP,
    )


def grouped():
    """Three batches of the person's own loader in each update, and a loss that a step evaluates several times."""
    train = TensorDataset(*columns(0, 50))
    return Task(
        name="grouped",
        data=Data(train=DataLoader(train, 6, shuffle=True), valid=TensorDataset(*columns(50, 60))),
        model=model,
        update=UPDATE,
        uses={"delayed_update": {"batches": 3}},
        stop=STOP,
    )


def closures():
    """An optimizer that evaluates the loss several times in a step, until the training loss is flat."""
    return Task(
        name="closures",
        data=Data(train=TensorDataset(*columns(0, 50)), valid=TensorDataset(*columns(50, 60))),
        model=lambda: nn.Sequential(nn.Linear(4, 2)),
        update=Update(optimizer=lambda net: torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=3)),
        batch_size=None,
        stop=Stop(steps=60, evaluate_every=5, plateau=0.05),
    )


def inner():
    held = TensorDataset(*columns(50, 60))
    return Task(
        name="inner",
        data=Data(train=TensorDataset(*columns(0, 50))),
        model=model,
        validate=lambda net: {"ones": float(net(held.tensors[0]).argmax(1).float().mean())},
        metric="ones",
        higher_is_better=True,
        batch_size=8,
        stop=STOP,
    )
'''
PLANS: dict[str, list[str]] = {
    "shuffled": ["centralize"],
    "weighted": ["clip_norm"],
    "streamed": [],
    "streamed_by_epoch": [],
    "given": [],
    "judged": [],
    "noisy": [],
    "drawn": ["batched_gather"],
    "again": [],
    "listed": [],
    "grouped": [],
    "closures": [],
    "inner": [],
}


def task_of(name: str, folder: Path) -> Task:
    file = folder / "my_task.py"
    file.write_text(TASKS)
    return load_task(f"{file}:{name}")


def test_every_form_of_data_is_written_out_with_the_same_losses(tmp_path: Path) -> None:
    tasks = {name: task_of(name, tmp_path) for name in PLANS}
    plans = {name: plan_of(name, techniques) for name, techniques in PLANS.items()}
    run_in_forks(*((tmp_path / name, eject(task, plans[name], machine())) for name, task in tasks.items()))
    for name, task in tasks.items():
        assert_same(tmp_path / name, task, plans[name], machine(), bits=True)
    clean(*(tmp_path / name / "train.py" for name in tasks))


def test_techniques_that_read_by_number_or_ahead_are_left_out_of_a_loader(tmp_path: Path) -> None:
    plan = plan_of("shuffled", ["batched_gather", "prefetch", "centralize"])
    found = eject(task_of("shuffled", tmp_path), plan, machine())
    assert {one.technique for one in found.left_out} == {"batched_gather", "prefetch"}
    assert all("your data make their own batches here" in note for note in found.notes)
    assert "yield from data\n" in found.text
    assert "centralize" in found.text


def test_a_script_shows_no_validation_loss_where_the_own_evaluation_returns_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task, plan = task_of("inner", tmp_path), plan_of("inner", [])
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "train.py").write_text(eject(task, plan, machine()).text)
    with Forked(lambda: runpy.run_path(str(folder / "train.py"))["main"]()) as script:
        shown, error = script.stdout.read(), script.stderr.read()
        script.wait()
    assert "ones 0." in shown, error
    assert "nan" not in shown
