"""What two processes do that train together: each on every second row of a batch, with averaged gradients."""

import json
import os
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from hasten.data.batch import Batch
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.transforms import Parameters, Stateless

from contract_tasks import TASKS, machine

STEPS = 3
EQUAL, DIFFERENT, REFUSED = "equal", "different", "refused"


def average(parameters: Parameters) -> bool:
    """Put the mean over both processes in place of each gradient, as DistributedDataParallel does."""
    for parameter in parameters.values():
        if parameter.grad is not None:
            parameter.grad = parameter.grad / dist.get_world_size()
            dist.all_reduce(parameter.grad)
    return True


def averaged(recipe: Recipe) -> Recipe:
    """Return the recipe with averaging as the first thing that is done to the gradients."""
    return replace(recipe, gradient=(Stateless(average), *recipe.gradient))


def train_together(run: Session, count: int) -> None:
    """Make so many steps as the loop does, on this process's rows."""
    rank, made = dist.get_rank(), 0
    with run.contexts:
        for ids, fetched in run.fetched():
            own: Batch = tuple(column[rank::2] for column in fetched)
            batch = run.training_batch(ids[rank::2], own)
            run.set_learning_rate()
            step(run, batch)
            run.advance(len(ids), 0.0)
            made += 1
            if made == count:
                return


def compared(run: Session) -> str:
    """Return whether both processes hold the same bits in every parameter, in finite numbers."""
    own = torch.cat([one.detach().flatten().float() for one in run.model.parameters()])
    both = [torch.empty_like(own) for _ in range(2)]
    dist.all_gather(both, own)
    return EQUAL if bool(own.isfinite().all()) and torch.equal(*both) else DIFFERENT


def usable(name: str) -> Recipe | None:
    """Return the baseline of the first task that the technique does not refuse, or None.

    Process 0 decides: what a technique measures can come out otherwise in the other one.
    """
    chosen: list[int | None] = [None]
    if dist.get_rank() == 0:
        recipes = enumerate(baseline(task()) for task in TASKS)
        chosen = [next((place for place, recipe in recipes if make(name).refuse(recipe, machine()) is None), None)]
    dist.broadcast_object_list(chosen)
    return None if chosen[0] is None else baseline(TASKS[chosen[0]]())


def outcome(name: str) -> str:
    """Return what came of training with a technique in two processes, or the error."""
    recipe = usable(name)
    if recipe is None:
        return REFUSED
    try:
        run = build(averaged(make(name).apply(recipe)))
        train_together(run, STEPS)
        return compared(run)
    except Exception:  # noqa: BLE001  (whatever it is, the test reports it)
        return traceback.format_exc()


def joined(rank: int, store: Path) -> None:
    """Join the other process at a new file; one that failed before cannot leave messages behind for what follows."""
    if dist.is_initialized():
        dist.destroy_process_group()
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(minutes=10)
    )


def work(rank: int, names: Sequence[str], folder: str) -> None:
    """Be one of two processes; process 0 writes name -> outcome to `outcomes.json`."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    joined(rank, Path(folder) / "baseline")
    plain = build(averaged(baseline(TASKS[1]())))
    train_together(plain, STEPS)
    found = {"baseline": compared(plain)}
    for name in names:
        joined(rank, Path(folder) / name)
        found[name] = outcome(name)
    if rank == 0:
        weights = [one.detach().flatten().tolist() for one in plain.model.parameters()]
        (Path(folder) / "outcomes.json").write_text(json.dumps({"outcomes": found, "weights": weights}))
    dist.destroy_process_group()
