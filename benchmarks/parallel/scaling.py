"""Several processes against the threads of one, on this machine: time per sample, and weak scaling.

    python -m benchmarks.parallel.scaling --data DIR [--rounds 6] [--steps 40] [--cores 2] [--smoke]

`the same batches`: one process with a thread on every core against a process on each core, with each way of reducing
gradients. All make the same updates, but for rounding, so that the ratio of the times per sample is also that of the
times to a target. `weak scaling`: 1, 2 and 4 processes of one thread, each with a batch of its own; the efficiency is
the time per step of one process over that of several.

Every round runs all ways in random order, each in new processes; the median step of a run is its time. Run it on a
machine that does nothing else. --smoke makes one short round on the bundled digits and writes nothing.
"""

import argparse
import math
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
import torch.distributed as dist
from torch import multiprocessing

from benchmarks.recording import ratio, record, told
from hasten import Task
from hasten.machine import facts
from hasten.tasks import digits, fashion_mnist, shakespeare
from hasten.techniques.applying import apply_all, make
from hasten.training.data_parallel import agree, among, in_processes
from hasten.training.processes import Processes
from hasten.training.recipe import baseline
from hasten.training.session import build
from hasten.training.step import step

UNTIMED = 5
"""Steps before the first one that is timed."""


@dataclass(frozen=True)
class Way:
    """A way to train: processes, threads of each, batches of the usual size in one step, techniques."""

    processes: int
    threads: int
    batches: int = 1
    techniques: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """What every way trains, and for how many timed steps."""

    task: str
    data: Path | None
    steps: int

    def made(self, batches: int) -> Task:
        """Return the task with so many batches of the usual size in one step."""
        if self.task == "digits" or self.data is None:
            return digits.task(batch_size=64 * batches)
        if self.task == "fashion-mnist":
            return fashion_mnist.task(data=self.data / "fashion_mnist", batch_size=128 * batches)
        return shakespeare.task(data=self.data / "tinyshakespeare" / "input.txt", batch_size=32 * batches)


def work(rank: int, way: Way, training: Training, folder: str) -> None:
    """Be one process; the first one writes the seconds of each step."""
    torch.set_num_threads(way.threads)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    recipe, processes = baseline(training.made(way.batches)), None
    if way.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/store",
            rank=rank,
            world_size=way.processes,
            timeout=timedelta(minutes=5),
        )
        processes = Processes(rank, way.processes)
        recipe = in_processes(apply_all(map(make, way.techniques), among(recipe, processes), facts()), processes)
    run, times = build(recipe), list[float]()
    with run.contexts:
        batches = run.batches()
        for _ in range(UNTIMED + training.steps):
            began = perf_counter()
            ids, batch = next(batches)
            run.set_learning_rate()
            step(run, batch)
            run.advance(len(ids), 0.0)
            if processes is not None:
                agree(run, processes)
            times.append(perf_counter() - began)
    if processes is not None:
        dist.destroy_process_group()
    if rank == 0:
        Path(folder, "times").write_text("\n".join(map(str, times[UNTIMED:])))


def step_s(way: Way, training: Training) -> float:
    """Return the median seconds of a step, in new processes."""
    with TemporaryDirectory() as folder:
        multiprocessing.spawn(work, args=(way, training, folder), nprocs=way.processes)
        return median(map(float, Path(folder, "times").read_text().split()))


def measured(ways: Mapping[str, Way], training: Training, rounds: int) -> dict[str, list[float]]:
    """Return name -> seconds of a step in each round."""
    found, shuffle = {name: list[float]() for name in ways}, random.Random(0)
    for _ in range(rounds):
        for name in shuffle.sample(list(ways), len(ways)):
            found[name].append(step_s(ways[name], training))
    return found


def shown(times: Mapping[str, Sequence[float]], first: str) -> dict[str, object]:
    """Print and return the time of the first way over that of each: above 1 is faster."""
    found: dict[str, object] = {"step_s": times}
    for name, own in times.items():
        logs = [math.log(one / other) for one, other in zip(times[first], own, strict=True)]
        if len(logs) > 1 and name != first:
            found[name] = (interval := ratio(logs))
            print(f"  {name:<28} {median(own) * 1e3:8.1f} ms   {told(interval)}")
        else:
            print(f"  {name:<28} {median(own) * 1e3:8.1f} ms")
    return found


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with fashion_mnist and tinyshakespeare")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.data is None and not given.smoke:
        parser.error("pass --data DIR, or --smoke")
    tasks = ("digits",) if given.smoke else ("fashion-mnist", "shakespeare")
    rounds, steps, cores = (1, 3, 2) if given.smoke else (given.rounds, given.steps, given.cores)
    one = f"1 process, {cores} threads"
    against_threads = {
        one: Way(1, cores),
        f"{cores} processes": Way(cores, 1),
        **{f"{cores} processes, {name}": Way(cores, 1, 1, (name,)) for name in ("ddp", "bf16_reduction", "fsdp")},
    }
    weak = {f"{count} processes": Way(count, 1, count) for count in (1, 2, 4)}
    found = dict[str, object]()
    for name in tasks:
        training = Training(name, given.data, steps)
        print(f"{name}: the same batches")
        found[name] = shown(measured(against_threads, training, rounds), one)
        print(f"{name}: weak scaling, ms of a step")
        found[f"{name}, weak"] = shown(measured(weak, training, rounds), "1 processes")
    if not given.smoke:
        print(record("parallel_scaling", {"rounds": rounds, "steps": steps, "found": found}))


if __name__ == "__main__":
    main()
