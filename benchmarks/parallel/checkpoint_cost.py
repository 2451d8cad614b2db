"""What a checkpoint every 100 steps costs: written by a thread, in the step, or by torch.distributed.checkpoint.

    python -m benchmarks.parallel.checkpoint_cost --data DIR [--tasks NAME,...] [--rounds 12] [--every 100] [--smoke]

One session trains in blocks of `--every` steps. A block of each way, in random order, makes a round: `none` saves
nothing, `thread` is what a training does (copy the state, write it beside the steps), `waiting` writes before it goes
on, `dcp` is `torch.distributed.checkpoint.async_save`. Each saves once, at the beginning of its block, and a save must
be over before the next block begins: the time it takes longer than its block counts. A ratio is time per block over
that of `none`: 1.02 is 2 % slower.

--smoke makes one short round on the bundled digits and writes nothing.
"""

import argparse
import math
import random
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch.distributed import checkpoint as dcp

from benchmarks.recording import ratio, record, told
from hasten import Task
from hasten.profiling.stepping import next_step
from hasten.tasks import digits, fashion_mnist, shakespeare
from hasten.training.background import Background
from hasten.training.building import build
from hasten.training.checkpoint import copied_checkpoint, save_checkpoint
from hasten.training.recipe import baseline
from hasten.training.session import Session

Save = Callable[[Session, Path], Callable[[], object]]
"""(session, folder) -> what waits for the save to be over."""


def none(run: Session, folder: Path) -> Callable[[], object]:
    """Save nothing."""
    return lambda: None


def thread(run: Session, folder: Path) -> Callable[[], object]:
    """Copy the state and let a thread write it."""
    background = Background()
    background.start(copied_checkpoint(run, {}, folder / "last.pt"))
    return lambda: background.__exit__(None, None, None)


def waiting(run: Session, folder: Path) -> Callable[[], object]:
    """Write before the next step."""
    save_checkpoint(run, {}, folder / "last.pt")
    return lambda: None


def with_dcp(run: Session, folder: Path) -> Callable[[], object]:
    """Let torch copy the state, and write it in a thread of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing else is distributed
        running: Any = dcp.async_save(run.state(), checkpoint_id=folder / "dcp", no_dist=True)
    return running.result


WAYS: Mapping[str, Save] = {"none": none, "thread": thread, "waiting": waiting, "dcp": with_dcp}


def block_s(run: Session, save: Save, every: int) -> float:
    """Return the seconds of so many steps, of which the first begins with a save."""
    with TemporaryDirectory() as folder:
        batches = run.batches()

        def steps(count: int) -> None:
            for _ in range(count):
                next_step(run, batches)

        steps(1)  # which starts the loader
        begin = perf_counter()
        over = save(run, Path(folder))
        steps(every)
        over()
        return perf_counter() - begin


def measured(task: Task, rounds: int, every: int) -> dict[str, Any]:
    """Return seconds of each block by way, the size of a checkpoint, and the ratios to no checkpoint."""
    run, shuffle, times = build(baseline(task)), random.Random(0), {name: list[float]() for name in WAYS}
    with run.contexts:
        for save in WAYS.values():
            block_s(run, save, min(every, 10))
        for _ in range(rounds):
            for name in shuffle.sample(list(WAYS), len(WAYS)):
                times[name].append(block_s(run, WAYS[name], every))
    with TemporaryDirectory() as folder:
        waiting(run, Path(folder))
        size = (Path(folder) / "last.pt").stat().st_size
    found: dict[str, Any] = {"block_s": times, "checkpoint_bytes": size}
    print(f"{task.name}: {median(times['none']):.2f} s a block, a checkpoint of {size / 2**20:.1f} MiB")
    for name in list(WAYS)[1:] if rounds > 1 else ():
        logs = [math.log(one / other) for one, other in zip(times[name], times["none"], strict=True)]
        found[name] = (interval := ratio(logs))
        print(f"  {name:<8} {told(interval)}")
    return found


def task_of(name: str, data: Path | None) -> Task:
    """Return a built-in task."""
    if name == "digits" or data is None:
        return digits.task()
    if name == "fashion-mnist":
        return fashion_mnist.task(data=data / "fashion_mnist")
    return shakespeare.task(data=data / "tinyshakespeare" / "input.txt")


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with fashion_mnist and tinyshakespeare")
    parser.add_argument("--tasks", default="digits,fashion-mnist,shakespeare", metavar="NAME,...")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.data is None and not given.smoke:
        parser.error("pass --data DIR, or --smoke")
    torch.set_num_threads(given.threads)
    rounds, every = (1, 5) if given.smoke else (given.rounds, given.every)
    names = ["digits"] if given.data is None else given.tasks.split(",")
    found = {name: measured(task_of(name, given.data), rounds, every) for name in names}
    if not given.smoke:
        print(record("checkpoint_cost", {"rounds": rounds, "every": every, "found": found}))


if __name__ == "__main__":
    main()
