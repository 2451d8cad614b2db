"""Trainings that several processes make together, and the same in one."""

import json
import os
import random
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation, Progress
from hasten.data.batch import Batch
from hasten.machine.facts import facts
from hasten.measurement.calls import quiet_profiler
from hasten.measurement.collectives import Collectives
from hasten.measurement.tensors import tensors_in
from hasten.techniques.applying import apply_all, make
from hasten.techniques.parallel.ddp import Bf16Reduction, Ddp
from hasten.techniques.parallel.fsdp import Fsdp, FsdpBf16
from hasten.techniques.parallel.layouts import in_passes, layouts, other_trainings
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.local_steps import CommonWeights
from hasten.training.loop import train
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline, counted
from hasten.training.run_folder import CHECKPOINT
from hasten.training.running import run_training
from hasten.training.session import Session
from hasten.training.sharding import own_part, whole
from hasten.training.step import step
from hasten.training.technique import Technique
from hasten.training.transforms import Parameters

STEPS = 20


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))


def clipped(parameters: Parameters) -> bool:
    """Clip by the norm of the whole gradient."""
    nn.utils.clip_grad_norm_(parameters.values(), 0.3)
    return True


@dataclass(frozen=True)
class Case:
    """One training, drawn from a number."""

    number: int

    def shares(self, size: int) -> tuple[float, ...] | None:
        """Return what each process takes of a batch."""
        draw = random.Random(f"{self.number} {size}")
        return None if draw.random() < 0.4 else tuple(draw.choice((1.0, 1.5, 3.0)) for _ in range(size))

    def recipe(self) -> Recipe:
        """Return it as one process makes it."""
        draw, seeded = random.Random(self.number), torch.Generator().manual_seed(self.number)
        samples, ignored = draw.randint(17, 60), draw.random() < 0.6
        x, y = torch.randn(samples, 6, generator=seeded), torch.randint(0, 3, (samples,), generator=seeded)
        if ignored:
            y[torch.rand(samples, generator=seeded) < 0.6] = -100
        weight = (1.0, 2.0, 0.5) if draw.random() < 0.3 else None
        task = Task(
            name="together",
            data=Data(train=TensorDataset(x, y), valid=TensorDataset(x[:13], y[:13].clamp(min=0))),
            model=Tied if draw.random() < 0.5 else lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)),
            loss=CrossEntropy(weight=weight),
            update=Update(optimizer=draw.choice(("sgd", "momentum", "adamw")), lr=0.05),
            batch_size=draw.randint(12, 16),
            valid_batch_size=3,
            seed=self.number,
            stop=Stop(steps=STEPS, evaluate_every=7),
        )
        made = baseline(task)
        if draw.random() < 0.5:
            made = made.with_gradient(clipped)
        if draw.random() < 0.5:
            made = made.with_backward(micro_batch=draw.randint(1, 4))
        return made


def trained(recipe: Recipe) -> dict[str, Any]:
    """Train and return the loss of each step, the evaluations and the parameters."""
    run, losses, evaluations = build(recipe), list[float | None](), list[tuple[Any, ...]]()
    for event in train(run):
        if isinstance(event, Progress):
            losses += event.losses
        if isinstance(event, Evaluation):
            evaluations.append((event.step, event.valid_loss, event.metric))
    return {
        "losses": losses,
        "evaluations": evaluations,
        "parameters": [whole(one.detach()).clone() for one in run.model.parameters()],
        "buffers": [one.clone() for one in run.model.buffers()],
    }


def joined(rank: int, size: int, folder: str) -> None:
    """Join the other processes."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    store = f"file://{Path(folder) / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size, timeout=timedelta(minutes=5))


REDUCTIONS = (Ddp(bucket_mb=0.0001), Fsdp(), Ddp(bucket_view=False), Fsdp(reshard=False))


def reductions(number: int) -> tuple[Sequence[Technique], ...]:
    """Return the techniques to try on a case, one list after the other; they must not change what is computed."""
    return (), (REDUCTIONS[number % len(REDUCTIONS)],)


class PartlyUnused(nn.Module):
    """A layer that takes part in no loss, whose weights must stay as they are whatever the weight decay."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def counted_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, int]:
    """Return the mean loss of the labels above 0, which only this function counts."""
    x, y = batch
    kept = y > 0
    count = int(kept.sum())
    return nn.functional.cross_entropy(model(x), y, reduction="none")[kept].sum() / max(1, count), count


def special(name: str) -> tuple[Recipe, Sequence[Technique]]:
    """Return a training of 30 samples that random cases do not meet, and the techniques to try on it."""
    seeded = torch.Generator().manual_seed(3)
    x, y = torch.randn(30, 6, generator=seeded), torch.randint(0, 3, (30,), generator=seeded)
    task = Task(
        name="special",
        data=Data(train=TensorDataset(x, y), valid=TensorDataset(x, y)),
        model=PartlyUnused,
        update=Update(optimizer="adamw", lr=0.05, options={"weight_decay": 0.1}),
        batch_size=8,
        stop=Stop(steps=8, evaluate_every=8),
    )
    if "counted by its objective" in name:
        task = replace(task, objective=counted_objective, metric=None)
        chosen = Fsdp() if "sharded" in name else Ddp()
        return counted(baseline(task)).with_backward(micro_batch=3), [chosen]
    if name == "sharded in bf16":
        return baseline(task), [FsdpBf16()]
    if name == "bf16 reduction":
        return baseline(task), [Bf16Reduction()]
    if name == "static graph":
        return baseline(task), [Ddp(static_graph=True)]
    return baseline(task), [Ddp()]


SPECIAL = (
    "unused parameters",
    "static graph",
    "bf16 reduction",
    "counted by its objective",
    "sharded, counted by its objective",
    "sharded in bf16",
)


def special_work(rank: int, size: int, folder: str) -> None:
    """Be one of several processes; each writes what it found of the special cases."""
    joined(rank, size, folder)
    found = {
        name: trained(shared(recipe, Processes(rank, size), chosen))
        for name, (recipe, chosen) in ((name, special(name)) for name in SPECIAL)
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def shared(recipe: Recipe, processes: Processes, chosen: Sequence[Technique] = ()) -> Recipe:
    """Return the recipe of one of several processes, with techniques."""
    return in_processes(apply_all(chosen, among(recipe, processes), facts()))


def work(rank: int, size: int, numbers: list[int], folder: str) -> None:
    """Be one of several processes; each writes what it found in each case with each reduction."""
    joined(rank, size, folder)
    found = [
        [
            trained(shared(case.recipe(), Processes(rank, size, case.shares(size)), chosen))
            for chosen in reductions(case.number)
        ]
        for case in map(Case, numbers)
    ]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def replicas_work(rank: int, size: int, folder: str) -> None:
    """Be one of four processes in two groups that hold a model each; each writes what it found of some cases."""
    joined(rank, size, folder)
    found = [
        trained(shared(case.recipe(), Processes(rank, size), [Fsdp(replicas=2, reshard=case.number % 2 == 0)]))
        for case in map(Case, range(4))
    ]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def sent_work(rank: int, size: int, folder: str) -> None:
    """Be one of several processes; the first writes what collectives of one step were given and its peak, by layout."""
    joined(rank, size, folder)
    found = dict[str, Any]()
    for layout in (*layouts(size, SENT_BATCH)[1:], other_trainings(size, SENT_BATCH)[0]):
        for one in (layout, in_passes(layout, layout.samples // 2)):
            chosen = [make(choice.technique, choice.knobs) for choice in one.choices]
            run = build(shared(wide(), Processes(rank, size), chosen))
            batches = run.batches()
            for _ in range(2):  # torch's reducer makes other buckets after the first step
                batch = next(batches)[1]
                with Collectives() as collectives:
                    synchronized_step(run, batch)
            batch = next(batches)[1]
            peak = most_allocated(partial(synchronized_step, run, batch), Path(folder) / f"{rank}.json")
            peak += held_bytes(run)
            found[one.label] = (dict(collectives.calls), dict(collectives.whole_bytes), peak)
    if rank == 0:
        torch.save(found, Path(folder) / "sent.pt")
    dist.destroy_process_group()


def synchronized_step(run: Session, batch: Batch) -> None:
    """Make a step, and what follows it where processes update on their own."""
    step(run, batch)
    if isinstance(run.kept, CommonWeights):
        assert run.processes is not None
        run.kept.synchronize(run.processes, 1 / run.processes.size)


def check_trained_as_one(found: Sequence[dict[str, Any]], name: str, recipe: Recipe) -> None:
    """Assert that all processes trained a case as one process does, and all the same bits."""
    alone = trained(recipe)
    for mine in (one[name] for one in found):
        assert len(mine["losses"]) == STEPS
        torch.testing.assert_close(mine["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(mine["evaluations"], alone["evaluations"], rtol=1e-3, atol=1e-4)
        assert mine["losses"] == found[0][name]["losses"]
        assert all(map(torch.equal, mine["parameters"], found[0][name]["parameters"]))


def most_allocated(work: Callable[[], object], trace: Path) -> int:
    """Return the bytes by which torch's allocator had grown at most; it sees what FSDP frees without an operator."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with quiet_profiler(), torch.profiler.profile(profile_memory=True, activities=activities) as seen:
        work()
    seen.export_chrome_trace(str(trace))
    events = [one for one in json.loads(trace.read_text())["traceEvents"] if one.get("name") == "[memory]"]
    totals = [one["args"]["Total Allocated"] for one in events]
    first = min(events, key=lambda one: one["ts"])
    return max(totals) - (first["args"]["Total Allocated"] - first["args"]["Bytes"])


def held_bytes(run: Session) -> int:
    """Return the bytes that this process holds between two steps: parameters and optimizer state, or its part."""
    state = tensors_in(list(run.optimizer.state.values()))
    return sum(own_part(one).nbytes for one in (*run.model.parameters(), *state))


SENT_BATCH = 16


def wide() -> Recipe:
    """Return a training of a model with four repeated blocks, whose parameters divide evenly by four."""
    seeded = torch.Generator().manual_seed(3)
    data = TensorDataset(torch.randn(64, 64, generator=seeded), torch.randint(0, 4, (64,), generator=seeded))
    blocks = nn.Sequential(*(nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64)) for _ in range(4)))
    task = Task(
        name="wide",
        data=Data(train=data, valid=data),
        model=lambda: nn.Sequential(deepcopy(blocks), nn.Linear(64, 4)),
        update=Update(optimizer="adamw", lr=0.01),
        batch_size=SENT_BATCH,
        stop=Stop(steps=40),
    )
    return baseline(task)


def resumed_work(
    rank: int, size: int, stops: list[int], folder: str, chosen: Sequence[Technique] = (), drop: float = 0.5
) -> None:
    """Train to each of the stops in turn, resuming where there is a checkpoint; write the parameters.

    Args:
        rank: number of this process.
        size: number of processes.
        stops: steps after which a run ends.
        folder: has the folder of the run, and gets the parameters.
        chosen: techniques of the stage `parallel`.
        drop: probability of dropout.
    """
    joined(rank, size, folder)
    runs = Path(folder) / "run"
    begun = (runs / CHECKPOINT).exists()
    dist.barrier()  # before one of them writes it
    for number, steps in enumerate(stops):
        recipe = shared(dropping(steps, drop), Processes(rank, size), chosen)
        found = run_training(
            recipe, Plan(task="dropping"), show=lambda record: None, folder=runs, resume=begun or number > 0
        )
        torch.save([one.detach() for one in found.model.parameters()], Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
    (Path(folder) / "store").unlink(missing_ok=True)


def found_in(folder: Path, size: int, function: Callable[..., None], *args: Any) -> list[Any]:
    """Run a function of (rank, size, *args, folder) in several processes; return what each wrote to RANK.pt."""
    multiprocessing.spawn(function, args=(size, *args, str(folder)), nprocs=size)
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]


def resumed_in(
    folder: Path, size: int, stops: list[int], chosen: Sequence[Technique] = (), drop: float = 0.5
) -> list[list[Tensor]]:
    """Run `resumed_work` in several processes; return the parameters that each ends with."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    multiprocessing.spawn(resumed_work, args=(size, stops, str(folder), chosen, drop), nprocs=size)
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]


def dropping(steps: int, drop: float = 0.5) -> Recipe:
    """Return a training of a model with dropout, to so many steps, of four and a bit an epoch."""
    seeded = torch.Generator().manual_seed(1)
    x = torch.randn(37, 6, generator=seeded)
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return baseline(
        Task(
            name="dropping",
            data=Data(train=data, valid=data),
            model=lambda: nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(drop), nn.Linear(16, 2)),
            update=Update(optimizer="adamw", lr=0.01),
            batch_size=8,
            stop=Stop(steps=steps, evaluate_every=4),
        )
    )
