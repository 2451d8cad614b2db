"""Whole trainings to a target on this machine: a thread on every core of one process, against a process on each core.

    python -m benchmarks.parallel.to_target --data DIR [--seeds 5] [--tasks fashion-mnist,shakespeare]

Each training is the command a person would type, in a process of its own, from the same seed on both sides, in an order
drawn by a coin. The seconds are those from the first step to the evaluation that is as good as the target, as the run
recorded them, so that starting Python is not among them.
"""

import argparse
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.parallel.scaling import BATCH
from benchmarks.recording import ratio, record, told
from hasten import Task
from hasten.base.records.run import Finished, StopReason
from hasten.tasks import fashion_mnist as fashion
from hasten.tasks import shakespeare as plays
from hasten.training.run_folder import read_events

TARGET = {"fashion-mnist": 0.89, "shakespeare": 2.3}
EVERY = {"fashion-mnist": 100, "shakespeare": 100}
"""Steps between two evaluations."""


def fashion_mnist(data: Path) -> Task:
    """Return fashion-mnist, evaluated more than once per epoch."""
    return often(fashion.task(data=data / "fashion_mnist", batch_size=BATCH["fashion-mnist"]), "fashion-mnist")


def shakespeare(data: Path) -> Task:
    """Return the plays, evaluated more than once per epoch."""
    return often(
        plays.task(data=data / "tinyshakespeare" / "input.txt", batch_size=BATCH["shakespeare"]), "shakespeare"
    )


def often(task: Task, name: str) -> Task:
    """Return a task with its target here, and with evaluations so often that the time to it is known well."""
    return replace(task, stop=replace(task.stop, target=TARGET[name], evaluate_every=EVERY[name]))


def trained(name: str, data: Path, seed: int, processes: int, cores: int) -> tuple[float, int]:
    """Train by the command and return the seconds to the target, and the steps.

    Raises:
        SystemExit: if a training failed or did not reach the target.
    """
    task = f"{Path(__file__)}:{name.replace('-', '_')}"
    threads = {"OMP_NUM_THREADS": str(cores // processes)}
    with TemporaryDirectory() as runs:
        command = [
            sys.executable,
            "-m",
            "hasten",
            "train",
            task,
            "--data",
            str(data),
            "--runs",
            runs,
            "--seed",
            str(seed),
        ]
        command += ["--processes", str(processes)] if processes > 1 else []
        ended = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
        folders = [one for one in Path(runs).iterdir() if one.is_dir()]
        if ended.returncode or len(folders) != 1:
            raise SystemExit(f"{' '.join(command)} failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
        last = read_events(folders[0])[0][-1]
    if not isinstance(last, Finished) or last.reason is not StopReason.TARGET:
        raise SystemExit(f"{' '.join(command)} did not reach {TARGET[name]}: {last}")
    return last.elapsed_s, last.step


def both(name: str, data: Path, seeds: int, cores: int) -> dict[str, object]:
    """Train both ways from each seed, in an order drawn by a coin, and return the seconds, the steps and the ratio."""
    coin, found = random.Random(0), dict[int, list[tuple[float, int]]]({1: [], cores: []})
    for seed in range(seeds):
        for processes in coin.sample(list(found), len(found)):
            found[processes].append(trained(name, data, seed, processes, cores))
            seconds, steps = found[processes][-1]
            print(f"  seed {seed}, {processes} processes: {seconds:.1f} s, {steps} steps", flush=True)
    pairs = zip(found[1], found[cores], strict=True)
    speedup = ratio([math.log(one[0] / other[0]) for one, other in pairs])
    print(f"{name}: {cores} processes are {told(speedup)} of the speed of one with {cores} threads", flush=True)
    return {"target": TARGET[name], "found": {str(key): value for key, value in found.items()}, "speedup": speedup}


def main() -> None:
    """Train every task both ways and write `results/to_target.json`."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--tasks", default=",".join(TARGET))
    given = arguments.parse_args()
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        raise SystemExit("it takes two cores to compare two processes with two threads.")
    found = {name: both(name, given.data.resolve(), given.seeds, cores) for name in given.tasks.split(",")}
    print(record("to_target", {"tasks": found, "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
