"""Trainings whose processes send less, or less often, and what each process finds."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from together import Case, joined, shared, trained
from torch import nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.measurement.collectives import Collectives
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.local_sgd import DiLoCo, LocalSgd
from hasten.techniques.parallel.powersgd import PowerSgd
from hasten.training.building import build
from hasten.training.data_parallel import synchronized
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step
from hasten.training.technique import Technique

SHARES: dict[int, tuple[float, ...]] = {2: (1.0, 3.0), 3: (3.0, 1.0, 2.0)}
"""Processes -> what each takes of a batch."""


def in_doubles(steps: int, *, optimizer: str = "sgd", every: int | None = None) -> Recipe:
    """Return a training in float64, 26 samples in batches of 8: the last of an epoch leaves shares empty."""
    seeded = torch.Generator().manual_seed(5)
    x = torch.randn(26, 6, generator=seeded, dtype=torch.float64)
    data = TensorDataset(x, torch.randint(0, 3, (26,), generator=seeded))
    return baseline(
        Task(
            name="doubles",
            data=Data(train=data, valid=data),
            model=lambda: nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).double(),
            update=Update(optimizer=optimizer, lr=0.1),
            batch_size=8,
            stop=Stop(steps=steps, evaluate_every=every or steps),
        )
    )


def compressed(rank: int, size: int, steps: int) -> dict[str, Any]:
    """Train with PowerSGD, and compare it with the gradients of the whole batches at the same weights.

    Returns the sum of the updates over the learning rate, that of the gradients, and the errors that are left.
    """
    plain = in_doubles(steps)
    chosen = [Ddp(bucket_mb=0.0005), PowerSgd(rank=1, start=2)]
    run = build(shared(plain, Processes(rank, size, SHARES[size]), chosen))
    alone = build(plain)
    begin = [one.detach().clone() for one in run.parameters]
    gradients = [torch.zeros_like(one) for one in run.parameters]
    for (ids, batch), (_, whole) in zip(run.batches(), alone.batches(), strict=False):
        alone.model.load_state_dict(run.model.state_dict())
        alone.forward_backward(alone, whole, lambda part: None)
        for total, one in zip(gradients, alone.parameters, strict=True):
            assert one.grad is not None
            total += one.grad
            one.grad = None
        step(run, batch)
        run.advance(len(ids), 0.0)
        alone.advance(len(ids), 0.0)
        if run.position.step == steps:
            break
    assert run.kept is not None
    errors = run.kept.own()["errors"]
    numbers = torch.cat([errors[bucket] for bucket in sorted(errors)])
    dist.all_reduce(numbers)
    return {
        "updates": torch.cat(
            [((old - new.detach()) / 0.1).flatten() for old, new in zip(begin, run.parameters, strict=True)]
        ),
        "gradients": torch.cat([one.flatten() for one in gradients]),
        "errors": numbers / size,
        "buckets": len(errors),
    }


@dataclass(frozen=True)
class Plain(Case):
    """A training by plain SGD, without what looks at the gradient of a whole batch."""

    def recipe(self) -> Recipe:
        """Return it as one process makes it."""
        made = super().recipe()
        task = replace(made.task, update=Update(optimizer="sgd", lr=0.05))
        again = baseline(task)
        return again.with_backward(micro_batch=made.backward.micro_batch)


def simulated(recipe: Recipe, size: int, *, every: int, lr: float = 1.0, momentum: float = 0.0) -> dict[str, Any]:
    """Return what local SGD or DiLoCo is by its definition, with one model after the other, and when it meets."""
    shares = [Processes(rank, size, SHARES[size]) for rank in range(size)]
    alone = build(recipe)
    models = [build(recipe) for _ in shares]
    common = [one.detach().clone() for one in alone.parameters]
    velocity = [torch.zeros_like(one) for one in common]
    counts, losses, steps = [0] * size, list[float](), recipe.task.stop.steps
    for ids, (x, y) in alone.batches():
        total = 0.0
        for rank, processes in enumerate(shares):
            begin, end = processes.bounds(recipe.input.batch_size)
            if len(own := x[begin:end]):
                model = models[rank]
                loss = nn.functional.cross_entropy(model.model(own), y[begin:end])
                loss.backward()
                model.optimizer.step()
                model.optimizer.zero_grad()
                counts[rank] += len(own)
                total += float(loss.detach()) * len(own)
        losses.append(total / len(ids))
        alone.advance(len(ids), 0.0)
        if (made := alone.position.step) % every == 0 or made == steps:
            for place, (one, pace) in enumerate(zip(common, velocity, strict=True)):
                change = sum(
                    (one - model.parameters[place].detach()) * (count / sum(counts))
                    for model, count in zip(models, counts, strict=True)
                )
                pace.mul_(momentum).add_(change)
                one -= lr * (change + momentum * pace if momentum else change)
                for model in models:
                    model.parameters[place].data.copy_(one)
            counts = [0] * size
        if made == steps:
            break
    return {"losses": losses, "parameters": common}


LOCAL: dict[str, tuple[Technique, dict[str, float]]] = {
    "local_sgd": (LocalSgd(every=3), {}),
    "diloco": (DiLoCo(every=3, lr=0.5, momentum=0.8), {"lr": 0.5, "momentum": 0.8}),
}
"""Technique, and the options of its simulation."""


@contextmanager
def counted() -> Generator[Collectives]:
    """Count what this process sends inside, whatever thread does: hooks of gradients call collectives in others."""
    plain = dist.all_reduce

    def reduced(*args: Any, **kwargs: Any) -> Any:
        if current_thread() is main_thread():
            return plain(*args, **kwargs)
        with Collectives() as aside:
            work = plain(*args, **kwargs)
        collectives.whole_bytes.update(aside.whole_bytes)
        return work

    with patch.object(dist, "all_reduce", reduced), Collectives() as collectives:
        yield collectives


COUNTED: dict[str, tuple[Technique, ...]] = {
    "after the backward pass": (),
    "ddp": (Ddp(),),
    "powersgd": (PowerSgd(rank=2, start=2),),
    "local_sgd": (LocalSgd(every=4),),
}


def wide() -> nn.Module:
    """Return a network with a matrix that is worth compressing, and others that are not."""
    return nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 3))


def sent(rank: int, size: int, name: str) -> list[int]:
    """Return the bytes that are given to collectives in each of 12 steps with a technique."""
    recipe = in_doubles(12)
    x, y = recipe.task.data.train.tensors  # type: ignore[union-attr]
    data = TensorDataset(x.float(), y)
    recipe = baseline(replace(recipe.task, model=wide, data=Data(train=data, valid=data)))
    run, found = build(shared(recipe, Processes(rank, size), COUNTED[name])), list[int]()
    done, processes = list[Any](), run.recipe.parallel.processes
    assert processes is not None
    for _, (ids, batch) in zip(range(12), run.batches(), strict=False):
        with counted() as collectives:
            done.append(step(run, batch))
            run.advance(len(ids), 0.0)
            synchronized(run, processes, done)
        found.append(collectives.whole_bytes.total())
    return found


def communicating_work(rank: int, size: int, folder: str) -> None:
    """Be one of several processes; each writes what it found."""
    joined(rank, size, folder)
    found = {
        "compressed": compressed(rank, size, 9),
        "local": {
            name: trained(shared(in_doubles(11, every=2), Processes(rank, size, SHARES[size]), [made]))
            for name, (made, _) in LOCAL.items()
        },
        "sent": {name: sent(rank, size, name) for name in COUNTED},
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def every_step_work(rank: int, size: int, numbers: list[int], folder: str) -> None:
    """Be one of several processes that average after every step; each writes what it found in each case."""
    joined(rank, size, folder)
    found = [
        trained(shared(case.recipe(), Processes(rank, size, case.shares(size)), [LocalSgd(every=1)]))
        for case in map(Plain, numbers)
    ]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
