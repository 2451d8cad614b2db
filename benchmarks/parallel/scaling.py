"""Several processes against the threads of one, on this machine: time per sample, and weak scaling.

    python -m benchmarks.parallel.scaling --data DIR [--rounds 10] [--steps 10] [--cores 2] [--tasks NAME,...] [--smoke]

`the same batches`: one process with a thread on every core against a process on each core, with each way of reducing
gradients; `to_target` trains both. `weak scaling`: 1, 2 and 4 processes of one thread, each with a batch of its own,
against what `hasten plan` predicts from one process and the links. `sent`: what the collectives of a step were given,
against the same theory.

The processes of all ways are started once and wait. Every round lets each way make a block of steps, in random order;
the median step of a block is its time. Run it on a machine that does nothing else: where others compete for the cores,
threads of one process wait for the slowest, and the ratios are not those of a quiet machine (`load` in the result).
--smoke makes one short round on the bundled digits and writes nothing.
"""

import argparse
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Self

import torch
import torch.distributed as dist
from msgspec import structs
from torch import multiprocessing

from benchmarks.recording import ratio, record, told
from hasten import Task
from hasten.base.records.layout import Layout, Links, StepMemory
from hasten.data.loading.loaders import Fetched
from hasten.machine import facts
from hasten.machine.links import measured_links
from hasten.measurement.collectives import Collectives
from hasten.tasks import digits, fashion_mnist, shakespeare
from hasten.techniques.applying import apply_all, make
from hasten.techniques.parallel.layouts import layouts
from hasten.training.building import build
from hasten.training.data_parallel import agree, among, in_processes
from hasten.training.processes import Processes
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.tuning.layouts.predict import median_links
from hasten.tuning.layouts.readings import measured_memory, measured_times, median_times
from hasten.tuning.layouts.time import communication, step_s

WEAK = (1, 2, 4)
BATCH = {"digits": 64, "fashion-mnist": 128, "shakespeare": 32}


@dataclass(frozen=True)
class Way:
    """A way to train: processes, threads of each, batches of the usual size in one step, techniques."""

    processes: int
    threads: int
    batches: int = 1
    techniques: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """What every way trains, and how many steps a block has."""

    task: str
    data: Path | None
    steps: int

    def made(self, batches: int) -> Task:
        """Return the task with so many batches of the usual size in one step."""
        size = BATCH[self.task] * batches
        if self.task == "digits" or self.data is None:
            return digits.task(batch_size=size)
        if self.task == "fashion-mnist":
            return fashion_mnist.task(data=self.data / "fashion_mnist", batch_size=size)
        return shakespeare.task(data=self.data / "tinyshakespeare" / "input.txt", batch_size=size)


@dataclass(frozen=True)
class Block:
    """What the first process of a way found in some steps: the median seconds of one, and what its collectives did."""

    step_s: float
    calls: dict[str, int]  # in one more step
    whole_bytes: dict[str, int]


def work(rank: int, way: Way, training: Training, folder: str, orders: Sequence[Connection], found: Connection) -> None:
    """Be one process: make as many steps as is asked for, until 0 are; the first one tells what it found."""
    torch.set_num_threads(way.threads)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    recipe, processes = baseline(training.made(way.batches)), None
    if way.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/store",
            rank=rank,
            world_size=way.processes,
            timeout=timedelta(minutes=30),
        )
        processes = Processes(rank, way.processes)
        recipe = in_processes(apply_all(map(make, way.techniques), among(recipe, processes), facts()))
    run = build(recipe)
    with run.contexts:
        batches = run.batches()
        while count := orders[rank].recv():
            block = made(run, batches, processes, count)
            if rank == 0:
                found.send(block)
    if processes is not None:
        dist.destroy_process_group()


def made(run: Session, batches: Iterator[Fetched], processes: Processes | None, count: int) -> Block:
    """Make some steps as the loop makes them, and one more with its collectives counted."""
    times, collectives = list[float](), Collectives()
    for number in range(count + 2):
        with collectives if number == count + 1 else nullcontext():
            began = perf_counter()
            ids, batch = next(batches)
            run.set_learning_rate()
            step(run, batch)
        run.advance(len(ids), 0.0)
        if processes is not None:
            agree(run, processes)
        times.append(perf_counter() - began)
    return Block(median(times[1:-1]), dict(collectives.calls), dict(collectives.whole_bytes))


class Running:
    """A way to train, whose processes wait between blocks of steps; a context manager."""

    def __init__(self, way: Way, training: Training) -> None:
        pipes = [Pipe(duplex=False) for _ in range(way.processes)]
        self._orders, (self._found, told_here) = [writer for _, writer in pipes], Pipe(duplex=False)
        self._folder = TemporaryDirectory()
        given = (way, training, self._folder.name, [reader for reader, _ in pipes], told_here)
        self._started = multiprocessing.spawn(work, args=given, nprocs=way.processes, join=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._started.processes if error[0] is not None else ():
            process.terminate()
        for order in self._orders if error[0] is None else ():
            order.send(0)
        for process in self._started.processes:
            process.join()
        self._folder.cleanup()

    def block(self, steps: int) -> Block:
        """Make so many steps.

        Raises:
            RuntimeError: if a process has ended.
        """
        for order in self._orders:
            order.send(steps)
        while not self._found.poll(1.0):
            if any(process.exitcode is not None for process in self._started.processes):
                raise RuntimeError("a process of the benchmark ended; its error is printed above")
        return self._found.recv()


def in_turn(ways: Mapping[str, Way], training: Training, rounds: int) -> dict[str, list[Block]]:
    """Return name -> blocks of steps, one of each way in a round, in random order; the first round warms up."""
    found, shuffle = {name: list[Block]() for name in ways}, random.Random(0)
    with ExitStack() as stack:
        running = {name: stack.enter_context(Running(way, training)) for name, way in ways.items()}
        for _ in range(1 + rounds):
            for name in shuffle.sample(list(ways), len(ways)):
                found[name].append(running[name].block(training.steps))
    return {name: blocks[1:] for name, blocks in found.items()}


def seconds_of(found: Mapping[str, Sequence[Block]]) -> dict[str, list[float]]:
    """Return name -> median seconds of a step in each round."""
    return {name: [one.step_s for one in blocks] for name, blocks in found.items()}


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


def weak_scaling(training: Training, rounds: int) -> dict[str, Any]:
    """Run and predict 1, 2 and 4 processes of one thread; the efficiency is the time of one over that of several.

    What one process takes beside copies of itself that compute, as many as the others, is read in each round, before
    the blocks that it predicts.
    """
    ways = {f"{count} processes": Way(count, 1, count) for count in WEAK}
    recipe = baseline(training.made(1))
    memory, links = measured_memory(recipe, 2), list[Links]()
    times, predicted = {name: list[float]() for name in ways}, {name: list[float]() for name in ways}
    size, shuffle = recipe.input.batch_size, random.Random(0)
    with ExitStack() as stack:
        running = {name: stack.enter_context(Running(way, training)) for name, way in ways.items()}
        for one in running.values():
            one.block(training.steps)
        for _ in range(rounds):
            links.append(median_links(measured_links(threads=1)))
            costs = [median_times(measured_times(recipe, 2, threads=1, beside=one - 1)) for one in WEAK]
            for name in shuffle.sample(list(ways), len(ways)):
                times[name].append(running[name].block(training.steps).step_s)
            for count, name, cost in zip(WEAK, ways, costs, strict=True):
                predicted[name].append(step_s(in_one_pass(size, replicas=count), cost, memory, links[-1]))
    found = shown(times, "1 processes") | {"predicted_s": predicted, "links": links}
    off = dict[str, Any]()
    for name in ways:
        logs = [math.log(one / own) for one, own in zip(predicted[name], times[name], strict=True)]
        off[name] = ratio(logs) if len(logs) > 1 else math.exp(logs[0])
        told_off = told(off[name]) if len(logs) > 1 else f"{off[name]:.3f}"
        print(f"  {name:<28} predicted {median(predicted[name]) * 1e3:8.1f} ms, over measured {told_off}", flush=True)
    return found | {"predicted_over_measured": off}


def in_one_pass(samples: int, *, replicas: int = 1, shards: int = 1) -> Layout:
    """Return a layout whose processes compute so many samples each, all at once."""
    return Layout(samples=samples, micro_batch=samples, replicas=replicas, shards=shards, parts=1, stages=1, every=1)


def sent(found: Mapping[str, Sequence[Block]], ways: Mapping[str, Way], training: Training) -> dict[str, Any]:
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
    return sum(one.size_bytes * one.count for one in (*collectives.all_reduces, *collectives.gathers))


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
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tasks", default="fashion-mnist,shakespeare", help="names of tasks, with commas between")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.data is None and not given.smoke:
        parser.error("pass --data DIR, or --smoke")
    tasks = ("digits",) if given.smoke else tuple(given.tasks.split(","))
    rounds, steps, cores = (1, 3, 2) if given.smoke else (given.rounds, given.steps, given.cores)
    one, several = f"1 process, {cores} threads", f"{cores} processes"
    against_threads = {
        one: Way(1, cores),
        several: Way(cores, 1),
        **{f"{several}, {name}": Way(cores, 1, 1, (name,)) for name in ("ddp", "bf16_reduction", "fsdp")},
    }
    found, load = dict[str, Any](), [os.getloadavg()[0]]
    for name in tasks:
        training = Training(name, given.data, steps)
        print(f"{name}: the same batches", flush=True)
        same = in_turn(against_threads, training, rounds)
        found[name] = shown(seconds_of(same), one)
        print(f"{name}: sent in a step", flush=True)
        found[f"{name}, sent"] = sent(same, against_threads, training)
        print(f"{name}: weak scaling", flush=True)
        found[f"{name}, weak"] = (weak := weak_scaling(training, rounds))
        print(f"{name}: predicted for more devices like this one", flush=True)
        found[f"{name}, to 1024"] = extrapolated(training, median_links(weak["links"]))
        load.append(os.getloadavg()[0])
        if not given.smoke:  # after each task, so that what was measured is kept where the benchmark is ended early
            content = {"rounds": rounds, "steps": steps, "cores_used": cores, "load": load, "found": found}
            print(record("scaling", content), flush=True)


if __name__ == "__main__":
    main()
