"""Processes that train together go back together when their training becomes NaN."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from together import found_in, joined, shared
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hasten import Data, Plan, Stop, Update
from hasten.base.records.run import RolledBack
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.fsdp import Fsdp
from hasten.techniques.parallel.local_sgd import LocalSgd
from hasten.training import loop, saving
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import run_training
from hasten.training.technique import Technique

from tiny_tasks import mlp_task

STEPS, BAD = 10, 4
TECHNIQUES: dict[str, tuple[Technique, ...]] = {
    "after the backward pass": (),
    "ddp": (Ddp(),),
    "fsdp": (Fsdp(),),
    "local_sgd": (LocalSgd(every=2),),
}


def recipe() -> Recipe:
    """Batches of eight in order, of which one has a NaN in the share of one process."""
    x = torch.randn(STEPS * 8, 5, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    x[BAD * 8 - 1, 2] = float("nan")
    data = Data(train=DataLoader(TensorDataset(x, y), 8), valid=TensorDataset(x[:8], y[:8]))
    task = mlp_task(data=data, model=lambda: nn.Linear(5, 2), update=Update(optimizer="adamw", lr=0.05))
    return baseline(replace(task, batch_size=8, stop=Stop(steps=STEPS, evaluate_every=STEPS)))


def work(rank: int, size: int, folder: str) -> None:
    """Be one of several processes; each writes its weights and what was left out, by technique and way of saving."""
    joined(rank, size, folder)
    loop.REPORT_EVERY_S, found = 0.0, {}
    for name, chosen in TECHNIQUES.items():
        for every_s in (-1.0, 1e9):
            saving.CHECKPOINT_EVERY_S, shown = every_s, list[object]()
            made = run_training(
                shared(recipe(), Processes(rank, size), chosen),
                Plan(task="tiny"),
                show=shown.append,
                folder=Path(folder) / f"{name} {every_s}",
                rollbacks=3,
            )
            stretches = [event.skipped for event in shown if isinstance(event, RolledBack) and event.skipped]
            parameters = [one.detach().clone() for one in made.model.parameters()]
            found[name, every_s] = (made.result.steps, stretches, parameters)
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_all_leave_out_the_batch_of_the_one_that_saw_it(tmp_path: Path) -> None:
    found = found_in(tmp_path, 2, work)
    alone = run_training(
        recipe(), Plan(task="tiny"), show=lambda event: None, folder=tmp_path / "alone", rollbacks=3
    ).model.parameters()
    expected = [one.detach() for one in alone]
    for (name, every_s), (steps, stretches, parameters) in found[0].items():
        assert steps == STEPS
        assert stretches == ([(3, 4)] if name == "local_sgd" else [(BAD, BAD)]), name
        assert all(map(torch.equal, parameters, found[1][name, every_s][2])), name
        assert all(map(torch.equal, parameters, found[0][name, 1e9][2])), name
        if name != "local_sgd":
            torch.testing.assert_close(parameters, expected, rtol=1e-4, atol=1e-5)
