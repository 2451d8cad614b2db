"""A batch that is NaN ends the run, or is left out and counted, as the plan says."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hasten import Choice, CrossEntropy, Data, Plan, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.run import Progress, StopReason
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.loop import train
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import run_training
from hasten.training.session import Session
from hasten.training.step import step

from tiny_tasks import mlp_task

BAD_STEP, STEPS = 3, 8


def task(*, bad: int | None = BAD_STEP * 8, **changes: Any) -> Task:
    """Batches of eight in order, of which one has a sample that is NaN, and a model with running statistics."""
    x = torch.randn(STEPS * 8, 5, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    if bad is not None:
        x[bad, 2] = math.nan
    return mlp_task(
        data=Data(train=DataLoader(TensorDataset(x, y), 8), valid=TensorDataset(x[:8], y[:8])),
        model=lambda: nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)),
        batch_size=8,
        stop=Stop(epochs=1),
        **changes,
    )


def guarded(**changes: Any) -> Recipe:
    return make("nonfinite_guard", {"limit": 2}).apply(baseline(task(**changes)))


def test_without_a_guard_the_run_ends_where_it_became_nan() -> None:
    notes = list[object]()
    trained = run_training(baseline(task()), Plan(task="tiny"), show=notes.append)
    assert trained.result.reason is StopReason.NON_FINITE


def test_with_a_guard_it_is_as_if_the_batch_had_never_been() -> None:
    run, losses = build(guarded()), list[float | None]()
    for event in train(run):
        losses += event.losses if isinstance(event, Progress) else ()
    other = build(baseline(task()))
    for number, (ids, batch) in zip(range(STEPS), other.batches(), strict=False):
        if number != BAD_STEP:
            step(other, batch)
        other.advance(len(ids), 0.0)
    assert len(losses) == STEPS
    assert losses[BAD_STEP] == 0.0
    mine, theirs = run.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert all(value.isfinite().all() for value in mine.values())
    assert run.gradient[0].state["skipped"] == 1


def test_what_was_left_out_is_told() -> None:
    notes = list[str]()
    plan = Plan(task="tiny", choices=(Choice(technique="nonfinite_guard"),))
    trained = run_training(
        guarded(), plan, show=lambda event: notes.append(event.text) if isinstance(event, Note) else None
    )
    assert trained.result.reason is StopReason.EPOCHS
    assert any("1 update left out: gradients were not finite" in note for note in notes)


def test_too_many_in_a_row_end_the_run() -> None:
    def only_nan(run: Session) -> None:
        x, y = next(run.batches())[1]
        for _ in range(3):
            step(run, (x * math.nan, y))

    with pytest.raises(BadInput, match="not finite in 3 steps in a row"):
        only_nan(build(guarded()))


@pytest.mark.parametrize("weight", [None, (1.0, 2.0)], ids=["plain", "class weights"])
def test_a_batch_in_which_no_label_counts_makes_no_update(weight: tuple[float, ...] | None) -> None:
    """As of several processes: else weight decay and momentum would move the weights where nothing was learned."""
    x = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
    y = torch.cat([(x[:8, 0] > 0).long(), torch.full((8,), -100)])
    data = DataLoader(TensorDataset(x, y), 8)
    run = build(
        baseline(
            mlp_task(
                data=Data(train=data, valid=TensorDataset(x[:8], y[:8])),
                loss=CrossEntropy(weight=weight),
                update=Update(optimizer="adamw", lr=0.1, options={"weight_decay": 0.5}),
            )
        )
    )
    batches = run.batches()
    step(run, next(batches)[1])
    before = [one.detach().clone() for one in run.parameters]
    step(run, next(batches)[1])
    assert all(map(torch.equal, before, run.parameters))


def test_layers_that_would_wait_for_a_process_without_samples_are_refused() -> None:
    x = torch.randn(17, 5)
    data = TensorDataset(x, (x[:, 0] > 0).long())
    task = mlp_task(model=lambda: nn.Sequential(nn.Linear(5, 4), nn.SyncBatchNorm(4), nn.Linear(4, 2)))

    def shared(**changes: Any) -> Recipe:
        return in_processes(among(baseline(replace(task, **changes)), Processes(1, 2)))

    with pytest.raises(BadInput, match=r"the layer '1' is torch's SyncBatchNorm.* has 1 for 2 shares.*sync_batch_norm"):
        shared(data=Data(train=data, valid=data), batch_size=8)
    shared(data=Data(train=DataLoader(data, 8, drop_last=True), valid=data), batch_size=8)
    shared(data=Data(train=data, valid=data), batch_size=8, model=lambda: nn.Linear(5, 2))
    shared(data=Data(train=data, valid=data), batch_size=17)
