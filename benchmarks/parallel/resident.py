"""The memory that processes really take in each layout, against what `hasten plan` predicts, on CPUs.

    python -m benchmarks.parallel.resident [--processes 2] [--rounds 3] [--smoke]

Each layout trains some steps in new processes, once in a round, in random order. What counts is by how much the
resident memory (RSS) of a process has grown at most since it had trained a tiny model in the same layout, which imports
what there is, in the process where it grew most: model, optimizer, steps, and what libraries keep for themselves.
Every process builds the whole model before it takes its part: predicted is the memory of a step, or of the whole model
where that is more. --smoke makes one round of a small model and writes nothing.
"""

import argparse
import math
import os
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from torch import multiprocessing

from benchmarks.parallel.counted_steps import tokens, vectors
from benchmarks.recording import ratio, record, told
from hasten import Task
from hasten.base.records.layout import Layout
from hasten.machine import facts
from hasten.measurement.resident import rss_peak
from hasten.profiling.stepping import next_step
from hasten.techniques.applying import apply_all, make
from hasten.techniques.parallel.layouts import layouts, other_trainings, pipelines, why_not
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import Measured

TASKS: Mapping[str, Callable[[], Task]] = {"gpt": partial(tokens, 256, 4), "perceptron": partial(vectors, 1024, 4)}
SMOKE: Mapping[str, Callable[[], Task]] = {"perceptron": partial(vectors, 256, 2)}
STEPS = 3


def shared(recipe: Recipe, layout: Layout, rank: int) -> Recipe:
    """Return the recipe of one process of a layout."""
    chosen = [make(one.technique, one.knobs) for one in layout.choices]
    if layout.processes == 1:
        return apply_all(chosen, recipe, facts())
    return in_processes(apply_all(chosen, among(recipe, Processes(rank, layout.processes)), facts()))


def train_some(recipe: Recipe, steps: int) -> None:
    """Build a session and make so many steps."""
    run = build(recipe)
    with run.contexts:
        batches = run.batches()
        for _ in range(steps):
            next_step(run, batches)


def work(rank: int, made: Callable[[], Task], layout: Layout, folder: str) -> None:
    """Be one of the processes of a layout, and write by how many bytes its memory grew at most."""
    torch.set_num_threads(1)
    if layout.processes > 1:
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        store, wait = f"file://{folder}/store", timedelta(minutes=5)
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=layout.processes, timeout=wait)
    train_some(shared(baseline(vectors(64, 2)), layout, rank), 1)
    recipe = shared(baseline(made()), layout, rank)
    steps = max(STEPS, layout.every)
    found = rss_peak(lambda: train_some(recipe, steps))
    Path(folder, f"{rank}.json").write_bytes(msgspec.json.encode(found.peak_bytes - found.resident_bytes))
    if layout.processes > 1:
        dist.destroy_process_group()


def taken_bytes(made: Callable[[], Task], layout: Layout) -> int:
    """Return by how much the memory of the process of a layout grew that grew most."""
    with TemporaryDirectory() as folder:
        multiprocessing.spawn(work, args=(made, layout, folder), nprocs=layout.processes)
        return max(msgspec.json.decode(one.read_bytes(), type=int) for one in Path(folder).glob("*.json"))


def measured(made: Callable[[], Task], processes: int, rounds: int) -> list[dict[str, Any]]:
    """Print and return what each layout of a task takes, against the prediction."""
    recipe, shuffle = baseline(made()), random.Random(0)
    size = recipe.input.batch_size
    known = [*layouts(processes, size), *other_trainings(processes, size)[:1], *pipelines(processes, size)[-1:]]
    usable = [one for one in known if not why_not(one, recipe, facts())]
    read = Measured(recipe, processes, threads=1, crowded=1.0)
    memory = {one.label: read.of(one).memory for one in usable}
    taken = {one.label: list[int]() for one in usable}
    for _ in range(rounds):
        for one in shuffle.sample(usable, len(usable)):
            taken[one.label].append(taken_bytes(made, one))
    rows = list[dict[str, Any]]()
    for one in usable:
        predicted = memory_bytes(one, memory[one.label])
        whole = sum(parameter.nbytes for parameter in recipe.subject.model().parameters())
        expected, found = max(predicted, whole), taken[one.label]
        off = ratio([math.log(expected / own) for own in found]) if rounds > 1 else expected / found[0]
        rows.append(
            {"layout": one.label, "step_bytes": predicted, "model_bytes": whole, "taken_bytes": found, "off": off}
        )
        text = told(off) if rounds > 1 else f"{off:.3f}"  # type: ignore[arg-type]  (an interval of several rounds)
        print(
            f"  {one.label:<42} {expected / 2**20:7.1f} MiB predicted, {median(found) / 2**20:7.1f} taken: {text}",
            flush=True,
        )
    return rows


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    found = dict[str, Any]()
    for name, made in (SMOKE if given.smoke else TASKS).items():
        print(name)
        found[name] = measured(made, given.processes, 1 if given.smoke else given.rounds)
        if not given.smoke:
            print(record("resident", {"processes": given.processes, "rounds": given.rounds, "found": found}))


if __name__ == "__main__":
    main()
