"""Trainings with batch normalization that several processes make together, and the same in one."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from together import STEPS, clipped, joined, shared, trained
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.sync_batch_norm import SyncBatchNorm
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique


class TwoHeads(nn.Module):
    """Scores, and the output of a normalized layer that no loss uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(6, 8), nn.BatchNorm1d(8)
        self.aside, self.head = nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        seen = torch.relu(self.norm(self.first(x)))
        return {"logits": self.head(seen), "aside": self.aside(seen)}


def convolutions() -> nn.Module:
    """Return a small network of images, (batch, 6) seen as (batch, 1, 2, 3), with cumulative statistics."""
    first = nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.BatchNorm2d(4, momentum=None))
    return nn.Sequential(first, nn.Tanh(), nn.Flatten(), nn.BatchNorm1d(48, affine=False), nn.Linear(48, 3))


def tabular() -> nn.Module:
    """Return a small network of tables."""
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


MODELS: tuple[Callable[[], nn.Module], ...] = (tabular, convolutions, TwoHeads)


@dataclass(frozen=True)
class Normalized:
    """One training, drawn from a number."""

    number: int

    def shares(self, size: int) -> tuple[float, ...] | None:
        """Return what each process takes of a batch."""
        draw = random.Random(f"{self.number} {size}")
        return None if draw.random() < 0.3 else tuple(draw.choice((1.0, 1.5, 3.0)) for _ in range(size))

    def recipe(self) -> Recipe:
        """Return it as one process makes it: each epoch ends with a batch so small that shares are empty.

        One has class weights and no ignored labels: of a batch that has ignored ones only, their count would be a
        tensor of 0, after which one process updates by a gradient of zero, and several do not.
        """
        draw, seeded = random.Random(self.number), torch.Generator().manual_seed(self.number)
        size = draw.randint(12, 16)
        samples = size * draw.randint(1, 3) + draw.choice((2, 3))
        x, y = torch.randn(samples, 6, generator=seeded), torch.randint(0, 3, (samples,), generator=seeded)
        ignored = self.number % 4 > 0
        if ignored:
            y[torch.rand(samples, generator=seeded) < 0.7] = -100
        task = Task(
            name="normalized",
            data=Data(train=TensorDataset(x, y), valid=TensorDataset(x[:13], y[:13].clamp(min=0))),
            model=MODELS[self.number % len(MODELS)],
            loss=CrossEntropy(weight=None if ignored else (1.0, 2.0, 0.5)),
            update=Update(optimizer=draw.choice(("sgd", "momentum")), lr=0.02),
            batch_size=size,
            valid_batch_size=3,
            seed=self.number,
            stop=Stop(steps=STEPS, evaluate_every=7),
        )
        made = baseline(task)
        return made.with_gradient(clipped) if draw.random() < 0.5 else made


WAYS: tuple[tuple[Technique, ...], ...] = ((SyncBatchNorm(),), (Ddp(bucket_mb=0.0001), SyncBatchNorm()))


def normalized_work(rank: int, size: int, numbers: list[int], folder: str) -> None:
    """Be one of several processes; each writes what it found in each case."""
    joined(rank, size, folder)
    found = [
        trained(shared(case.recipe(), Processes(rank, size, case.shares(size)), WAYS[case.number % 2]))
        for case in map(Normalized, numbers)
    ]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
