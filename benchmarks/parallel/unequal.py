"""Two processes of which one is slower: shares of each batch by speed against equal shares.

    python -m benchmarks.parallel.unequal [--pairs 8] [--steps 60] [--slower 3] [--smoke]

Each process sleeps in its forward pass in proportion to its samples, the second one `--slower` times as long, so that
speed does not depend on the cores of this machine. Every pair trains the same model both ways, in new processes and in
random order. A ratio is that of the median steps after the first look at the shares, with equal shares over by speed:
above 1 is faster. Parameters are compared with those of one process.

--smoke makes one short pair and writes nothing.
"""

import argparse
import math
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn
from torch.utils.data import TensorDataset

from benchmarks.recording import ratio, record, told
from hasten import Data, Stop, Task, Update
from hasten.base.records.run import Progress, SharesChanged
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.loop import train
from hasten.training.processes import Processes
from hasten.training.recipe import baseline

BATCH = 64


@dataclass(frozen=True)
class Unequal:
    """A training of two processes of which the second is slower."""

    steps: int
    sample_s: float = 0.001  # that the first process sleeps for each sample
    slower: float = 3.0
    every: int = 10
    techniques: tuple[str, ...] = ()


class Sleeping(nn.Module):
    """A small perceptron that takes a time in proportion to its samples when it trains."""

    def __init__(self, sample_s: float) -> None:
        super().__init__()
        self.layers, self.sample_s = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 4)), sample_s

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            time.sleep(self.sample_s * len(x))
        return self.layers(x)


def task(training: Unequal, rank: int | None) -> Task:
    """Return what a process trains; None for one alone, which does not sleep."""
    seeded = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH * 5 + 24, 16, generator=seeded)
    data = TensorDataset(x, x[:, :4].argmax(1))
    sample_s = 0.0 if rank is None else training.sample_s * (training.slower if rank == 1 else 1.0)
    return Task(
        name="unequal",
        data=Data(train=data, valid=data),
        model=lambda: Sleeping(sample_s),
        update=Update(optimizer="adamw", lr=0.01),
        batch_size=BATCH,
        stop=Stop(steps=training.steps, evaluate_every=training.steps),
    )


def trained(training: Unequal, rank: int | None, *, by_speed: bool) -> dict[str, Any]:
    """Train to the end; return losses, parameters, changes of the shares, and the seconds of each step."""
    recipe = baseline(task(training, rank))
    if rank is not None:
        processes = Processes(rank, dist.get_world_size())
        chosen = [*map(make, training.techniques)]
        if by_speed:
            chosen.append(make("shares_by_speed", {"every": training.every}))
        recipe = in_processes(apply_all(chosen, among(recipe, processes), facts()))
    run, losses, shares, ends = build(recipe), list[float | None](), list[tuple[int, ...]](), list[float]()

    def mark(part: int) -> None:
        if not ends or run.position.step == len(ends):
            ends.append(time.perf_counter())

    for event in train(run, mark):
        if isinstance(event, Progress):
            losses += event.losses
        if isinstance(event, SharesChanged):
            shares.append(event.samples)
    times = [end - begin for begin, end in pairwise(ends)]
    parameters = torch.cat([one.detach().flatten() for one in run.model.parameters()])
    return {"losses": losses, "parameters": parameters, "shares": shares, "step_s": times}


def work(rank: int, training: Unequal, by_speed: bool, folder: str) -> None:
    """Be one of two processes, and write what it found."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2, timeout=timedelta(minutes=5)
    )
    found = trained(training, rank, by_speed=by_speed)
    dist.destroy_process_group()
    torch.save(found, Path(folder, f"{rank}.pt"))


def in_two(training: Unequal, *, by_speed: bool) -> list[dict[str, Any]]:
    """Return what each of two new processes found."""
    with TemporaryDirectory() as folder:
        multiprocessing.spawn(work, args=(training, by_speed, folder), nprocs=2)
        return [torch.load(Path(folder, f"{rank}.pt")) for rank in range(2)]


def off(found: dict[str, Any], alone: dict[str, Any]) -> float:
    """Return the largest difference of a parameter from that of one process, over the largest parameter."""
    return float((found["parameters"] - alone["parameters"]).abs().max() / alone["parameters"].abs().max())


def logs(pairs: Sequence[tuple[list[float], list[float]]], first: int) -> list[float]:
    """Return the logarithms of the ratios of the median times of steps, from a step on."""
    return [math.log(median(equal[first:]) / median(speed[first:])) for equal, speed in pairs]


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--slower", type=float, default=3.0)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    pairs, steps = (1, 20) if given.smoke else (given.pairs, given.steps)
    torch.set_num_threads(1)
    shuffle, found = random.Random(0), dict[str, object]()
    for techniques in ((), ("ddp",)):
        training = Unequal(steps=steps, slower=given.slower, techniques=techniques)
        alone, times, worst, shares = trained(training, None, by_speed=False), [], 0.0, list[object]()
        for _ in range(pairs):
            ways = {way: in_two(training, by_speed=way)[0] for way in shuffle.sample([False, True], 2)}
            times.append((ways[False]["step_s"], ways[True]["step_s"]))
            worst = max(worst, off(ways[True], alone), off(ways[False], alone))
            shares.append(ways[True]["shares"])
        name = " ".join(("summed after the backward pass", *techniques)[-1:])
        settled = [median(one[training.every + 1 :]) for pair in times for one in pair]
        print(
            f"{name}: equal shares {median(settled[::2]) * 1e3:.1f} ms, by speed {median(settled[1::2]) * 1e3:.1f} ms"
        )
        found[name] = {"step_s": times, "shares": shares, "parameters_off": worst}
        if pairs > 1:
            interval = ratio(logs(times, training.every + 1))
            found[name]["faster"] = interval  # type: ignore[index]
            print(f"  faster: {told(interval)}")
        print(f"  parameters off those of one process by {worst:.1e}; shares {shares[-1]}")
    if not given.smoke:
        print(record("parallel_unequal", {"slower": given.slower, "steps": steps, "found": found}))


if __name__ == "__main__":
    main()
