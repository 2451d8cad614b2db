"""Trainings whose state is divided over processes, saved in some and resumed in others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from divided import encoder, gpt, tokens_task
from together import joined, shared
from torch import multiprocessing
from torch.utils._pytree import tree_map_only

from hasten import Stop, Update
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.techniques.parallel.fsdp import Fsdp, FsdpBf16
from hasten.techniques.parallel.pipeline_parallel import PipelineParallel
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.training import loop, saving
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import _resumed, run_training
from hasten.training.saving import Saving
from hasten.training.session import Session
from hasten.training.sharding import whole
from hasten.training.technique import Technique

LAYOUTS: Mapping[str, Sequence[Technique]] = {
    "fsdp": [Fsdp()],
    "fsdp without reshard": [Fsdp(reshard=False)],
    "fsdp_bf16": [FsdpBf16()],
    "replicas": [Fsdp(replicas=2)],
    "tensor_parallel": [TensorParallel(2)],
    "rows": [TensorParallel(2, rows=True)],
    "pipeline_parallel": [PipelineParallel(2)],
    "whole": [],
}


def recipe(layout: str, steps: int) -> Recipe:
    """Return a training with Adam's state, in the middle of an epoch after six steps; widths divide unevenly by 3."""
    model = encoder if layout in ("tensor_parallel", "fsdp") else gpt
    return baseline(
        tokens_task(model, update=Update(optimizer="adamw", lr=0.01), stop=Stop(steps=steps, evaluate_every=3))
    )


def state_of(run: Session, best: Any) -> Any:
    """Return copies of all that a run and its best weights are, whole."""
    state = {key: value for key, value in run.state().items() if key != "random"}
    return tree_map_only(torch.Tensor, lambda one: one.detach().clone(), whole({"state": state, "best": best.weights}))


def saved_work(rank: int, size: int, layout: str, steps: int, folder: str) -> None:
    """Train some steps, save, and write the whole state, as each process has it."""
    joined(rank, size, folder)
    run, room = build(shared(recipe(layout, steps), Processes(rank, size), LAYOUTS[layout])), Path(folder) / "run"
    first = room if rank == 0 else None
    parts_in = room if run.recipe.parallel.sharded else None
    with Saving(run, Plan(task="tokens"), first, lambda record: None, parts_in=parts_in) as saved:
        for event in train(run):
            saved.keep(event)
        saved.save()
        torch.save(state_of(run, saved.best), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
    (Path(folder) / "store").unlink(missing_ok=True)


def resumed_work(rank: int, size: int, layout: str, steps: int, folder: str) -> None:
    """Resume without a step, save again, and write the whole state and what was noted."""
    joined(rank, size, folder)
    run, room, notes = (
        build(shared(recipe(layout, steps), Processes(rank, size), LAYOUTS[layout])),
        Path(folder) / "run",
        list[str](),
    )

    def show(record: object) -> None:
        if isinstance(record, Note):
            notes.append(record.text)

    first = room if rank == 0 else None
    parts_in = room if run.recipe.parallel.sharded else None
    with Saving(run, Plan(task="tokens"), first, show, parts_in=parts_in) as saved:
        _resumed(run, saved, room)
        saved.save()
        torch.save((state_of(run, saved.best), notes), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
    (Path(folder) / "store").unlink(missing_ok=True)


def trained_work(rank: int, size: int, layout: str, steps: int, folder: str) -> None:
    """Train to a step with a checkpoint after each, from one where there is one; write the parameters and notes."""
    joined(rank, size, folder)
    loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, -1.0
    room, notes = Path(folder) / "run", list[str]()
    resume = (room / "checkpoints" / "last.pt").exists()
    dist.barrier()

    def show(record: object) -> None:
        if isinstance(record, Note):
            notes.append(record.text)

    made = run_training(
        shared(recipe(layout, steps), Processes(rank, size), LAYOUTS[layout]),
        Plan(task="tokens"),
        show=show,
        folder=room,
        resume=resume,
    )
    torch.save(([one.detach() for one in made.model.parameters()], notes), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
    (Path(folder) / "store").unlink(missing_ok=True)


def done(work: Any, folder: Path, size: int, layout: str, steps: int) -> list[Any]:
    """Do work in several processes; return what each wrote."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    multiprocessing.spawn(work, args=(size, layout, steps, str(folder)), nprocs=size)
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]
