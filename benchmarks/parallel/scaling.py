"""Several processes against the threads of one, on this machine: time per sample and to a target, and weak scaling.

    python -m benchmarks.parallel.scaling --data DIR [--rounds 5] [--steps 30] [--cores 2] [--smoke]

`the same batches`: one process with a thread on every core against a process on each core, with each way of reducing
gradients. All make the same updates, but for rounding. `to the target`: whole trainings with their evaluations, of one
process and of several. `weak scaling`: 1, 2 and 4 processes of one thread, each with a batch of its own, against what
`hasten plan` predicts from one process and the links. `sent`: what the collectives of a step were given, against the
same theory.

Every round runs all ways in random order, each in new processes; the median step of a run is its time. Run it on a
machine that does nothing else. --smoke makes one short round on the bundled digits and writes nothing.
"""

import argparse
import math
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from msgspec import structs
from torch import multiprocessing

from benchmarks.recording import ratio, record, told
from hasten import Task
from hasten.base.records.layout import Layout, Links, StepMemory
from hasten.base.records.run import Evaluation, Finished
from hasten.machine import facts
from hasten.machine.links import measured_links
from hasten.measurement.collectives import Collectives
from hasten.tasks import digits, fashion_mnist, shakespeare
from hasten.techniques.applying import apply_all, make
from hasten.techniques.parallel.layouts import layouts
from hasten.training.data_parallel import agree, among, in_processes
from hasten.training.loop import train
from hasten.training.processes import Processes
from hasten.training.recipe import baseline
from hasten.training.session import Session, build
from hasten.training.step import step
from hasten.tuning.layouts.predict import median_links, slowed
from hasten.tuning.layouts.readings import measured_memory, measured_times, median_times
from hasten.tuning.layouts.time import communication, step_s

UNTIMED = 5
"""Steps before the first one that is timed."""
WEAK = (1, 2, 4)
BATCH = {"digits": 64, "fashion-mnist": 128, "shakespeare": 32}
TARGET = {"digits": 0.9, "fashion-mnist": 0.83, "shakespeare": 2.45}
"""Of the task's metric, soon enough for a benchmark: accuracy, accuracy, loss."""


@dataclass(frozen=True)
class Way:
    """A way to train: processes, threads of each, batches of the usual size in one step, techniques."""

    processes: int
    threads: int
    batches: int = 1
    techniques: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """What every way trains, and for how many timed steps; None for a training to the target."""

    task: str
    data: Path | None
    steps: int | None

    def made(self, batches: int) -> Task:
        """Return the task with so many batches of the usual size in one step."""
        size = BATCH[self.task] * batches
        if self.task == "digits" or self.data is None:
            return digits.task(batch_size=size)
        if self.task == "fashion-mnist":
            return fashion_mnist.task(data=self.data / "fashion_mnist", batch_size=size)
        return shakespeare.task(data=self.data / "tinyshakespeare" / "input.txt", batch_size=size)


class Ran(msgspec.Struct):
    """What the first process of a run wrote."""

    step_s: list[float] = []
    calls: dict[str, int] = {}  # of collectives in one step
    whole_bytes: dict[str, int] = {}
    target_s: float | None = None
    target_steps: int = 0
    metric: float | None = None


def work(rank: int, way: Way, training: Training, folder: str) -> None:
    """Be one process; the first one writes what it found."""
    torch.set_num_threads(way.threads)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    task, processes = training.made(way.batches), None
    if training.steps is None:
        task = replace(task, stop=replace(task.stop, target=TARGET[training.task], evaluate_every=50))
    recipe = baseline(task)
    if way.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/store",
            rank=rank,
            world_size=way.processes,
            timeout=timedelta(minutes=5),
        )
        processes = Processes(rank, way.processes)
        recipe = in_processes(apply_all(map(make, way.techniques), among(recipe, processes), facts()))
    run = build(recipe)
    found = to_target(run) if training.steps is None else timed(run, training.steps, processes)
    if processes is not None:
        dist.destroy_process_group()
    if rank == 0:
        Path(folder, "ran.json").write_bytes(msgspec.json.encode(found))


def timed(run: Session, steps: int, processes: Processes | None) -> Ran:
    """Return the seconds of each step, and what the collectives of one more were given."""
    times, collectives = list[float](), Collectives()
    with run.contexts:
        batches = run.batches()
        for _ in range(UNTIMED + steps):
            began = perf_counter()
            ids, batch = next(batches)
            run.set_learning_rate()
            step(run, batch)
            run.advance(len(ids), 0.0)
            if processes is not None:
                agree(run, processes)
            times.append(perf_counter() - began)
        _, batch = next(batches)
        with collectives:
            step(run, batch)
    return Ran(times[UNTIMED:], dict(collectives.calls), dict(collectives.whole_bytes))


def to_target(run: Session) -> Ran:
    """Train to the target and return the seconds, evaluations included."""
    found, metric = None, None
    for event in train(run):
        if isinstance(event, Evaluation):
            metric = event.metric
        if isinstance(event, Finished):
            found = event
    assert found is not None, "a training ends"
    return Ran(target_s=found.elapsed_s, target_steps=found.step, metric=metric)


def ran(way: Way, training: Training) -> Ran:
    """Run a way in new processes."""
    with TemporaryDirectory() as folder:
        multiprocessing.spawn(work, args=(way, training, folder), nprocs=way.processes)
        return msgspec.json.decode(Path(folder, "ran.json").read_bytes(), type=Ran)


def measured(ways: Mapping[str, Way], training: Training, rounds: int) -> dict[str, list[Ran]]:
    """Return name -> what it found in each round."""
    found, shuffle = {name: list[Ran]() for name in ways}, random.Random(0)
    for _ in range(rounds):
        for name in shuffle.sample(list(ways), len(ways)):
            found[name].append(ran(ways[name], training))
    return found


def seconds_of(found: Mapping[str, Sequence[Ran]]) -> dict[str, list[float]]:
    """Return name -> median seconds of a step in each round, or seconds to the target."""
    return {
        name: [median(one.step_s) if one.target_s is None else one.target_s for one in rounds]
        for name, rounds in found.items()
    }


def shown(times: Mapping[str, Sequence[float]], first: str) -> dict[str, Any]:
    """Print and return the time of the first way over that of each: above 1 is faster."""
    found = dict[str, Any](seconds=times)
    for name, own in times.items():
        logs = [math.log(one / other) for one, other in zip(times[first], own, strict=True)]
        if len(logs) > 1 and name != first:
            found[name] = (interval := ratio(logs))
            print(f"  {name:<28} {median(own) * 1e3:8.1f} ms   {told(interval)}")
        else:
            print(f"  {name:<28} {median(own) * 1e3:8.1f} ms")
    return found


def weak_scaling(training: Training, rounds: int, cores: int) -> dict[str, Any]:
    """Run and predict 1, 2 and 4 processes of one thread; the efficiency is the time of one over that of several.

    What one process takes alone is read in each round, beside the runs that it predicts.
    """
    ways = {f"{count} processes": Way(count, 1, count) for count in WEAK}
    recipe = baseline(training.made(1))
    memory, links = measured_memory(recipe, 2), median_links(measured_links(threads=1))
    times, predicted = {name: list[float]() for name in ways}, {name: list[float]() for name in ways}
    for number in range(rounds):
        costs = median_times(measured_times(recipe, 2, threads=1))
        for name, one in measured(ways, training, 1).items():
            times[name] += [median(run.step_s) for run in one]
        for count, name in zip(WEAK, ways, strict=True):
            layout = in_one_pass(recipe.input.batch_size, replicas=count)
            predicted[name].append(step_s(layout, slowed(costs, max(1.0, count / cores)), memory, links))
        print(f"  round {number + 1} of {rounds}", flush=True)
    found = shown(times, "1 processes") | {"predicted_s": predicted, "links": links}
    off = dict[str, Any]()
    for name in ways:
        logs = [math.log(one / own) for one, own in zip(predicted[name], times[name], strict=True)]
        off[name] = ratio(logs) if len(logs) > 1 else math.exp(logs[0])
        told_off = told(off[name]) if len(logs) > 1 else f"{off[name]:.3f}"
        print(f"  {name:<28} predicted {median(predicted[name]) * 1e3:8.1f} ms, over measured {told_off}")
    return found | {"predicted_over_measured": off}


def in_one_pass(samples: int, *, replicas: int = 1, shards: int = 1) -> Layout:
    """Return a layout whose processes compute so many samples each, all at once."""
    return Layout(samples=samples, micro_batch=samples, replicas=replicas, shards=shards)


def sent(found: Mapping[str, Sequence[Ran]], ways: Mapping[str, Way], training: Training) -> dict[str, Any]:
    """Print and return what collectives were given in a step, against what `hasten plan` counts."""
    recipe, rows = baseline(training.made(1)), dict[str, Any]()
    for name, way in ways.items():
        if way.processes == 1:
            continue
        memory = measured_memory(recipe, way.processes)
        layout = next(
            (
                one
                for one in layouts(way.processes, recipe.input.batch_size)
                if one.processes == way.processes
                and tuple(choice.technique for choice in one.choices) == way.techniques
                and one.reshard == (way.techniques == ("fsdp",))
            ),
            None,
        )
        if layout is None:  # one that sends rounded gradients
            continue
        theory = whole_bytes(layout, memory)
        counted = sum(found[name][0].whole_bytes.values())
        rows[name] = {
            "counted_bytes": found[name][0].whole_bytes,
            "calls": found[name][0].calls,
            "theory_bytes": theory,
        }
        print(f"  {name:<28} {counted:>12,} bytes given to collectives, theory {theory:>12,.0f}")
    return rows


def whole_bytes(layout: Layout, memory: StepMemory) -> float:
    """Return the bytes of the tensors that the collectives of a step are given."""
    collectives = communication(layout, memory)
    return sum(size * count for size, _, count in (*collectives.all_reduces, *collectives.gathers))


def extrapolated(training: Training, links: Links) -> list[dict[str, Any]]:
    """Return the predicted efficiency of weak scaling to 1024 devices like this one, with the links as measured."""
    recipe = baseline(training.made(1))
    costs, memory = median_times(measured_times(recipe, 2, threads=1)), measured_memory(recipe, 2)
    size, rows = recipe.input.batch_size, list[dict[str, Any]]()
    for power in range(11):
        count = 2**power
        plain = structs.replace(in_one_pass(size, replicas=count), bucket_bytes=25 * 2**20 if count > 1 else None)
        sharded = structs.replace(in_one_pass(size, shards=count), reshard=True)
        each = {"ddp": plain, "fsdp": sharded if count > 1 else plain}
        taken = {name: step_s(layout, costs, memory, links) for name, layout in each.items()}
        rows.append({"devices": count, **taken})
    alone = rows[0]["ddp"]
    for one in rows:
        print(f"  {one['devices']:>5} devices: efficiency {alone / one['ddp']:.3f} ddp, {alone / one['fsdp']:.3f} fsdp")
    return rows


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with fashion_mnist and tinyshakespeare")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.data is None and not given.smoke:
        parser.error("pass --data DIR, or --smoke")
    tasks = ("digits",) if given.smoke else ("fashion-mnist", "shakespeare")
    rounds, steps, cores = (1, 3, 2) if given.smoke else (given.rounds, given.steps, given.cores)
    one, several = f"1 process, {cores} threads", f"{cores} processes"
    against_threads = {
        one: Way(1, cores),
        several: Way(cores, 1),
        **{f"{several}, {name}": Way(cores, 1, 1, (name,)) for name in ("ddp", "bf16_reduction", "fsdp")},
    }
    found = dict[str, Any]()
    for name in tasks:
        training = Training(name, given.data, steps)
        print(f"{name}: the same batches", flush=True)
        same = measured(against_threads, training, rounds)
        found[name] = shown(seconds_of(same), one)
        print(f"{name}: sent in a step", flush=True)
        found[f"{name}, sent"] = sent(same, against_threads, training)
        print(f"{name}: to the target of {TARGET[name]}", flush=True)
        whole = measured(
            {way: against_threads[way] for way in (one, several)}, replace(training, steps=None), min(rounds, 3)
        )
        found[f"{name}, to target"] = shown(seconds_of(whole), one) | {"runs": whole}
        print(f"{name}: weak scaling", flush=True)
        found[f"{name}, weak"] = (weak := weak_scaling(training, rounds, cores))
        print(f"{name}: predicted for more devices like this one", flush=True)
        found[f"{name}, to 1024"] = extrapolated(training, weak["links"])
    if not given.smoke:
        print(record("scaling", {"rounds": rounds, "steps": steps, "cores_used": cores, "found": found}))


if __name__ == "__main__":
    main()
