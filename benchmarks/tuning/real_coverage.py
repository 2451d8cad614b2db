"""How often the interval that tuning reports holds the truth, on real pairs of real training steps.

Pairs of blocks are timed as the last measurement of a tuning does: the baseline against itself built again (A/A, the
truth is 1), and a plan against the baseline (A/B, the truth is what all other pairs of that process show). One process
after the other writes its pairs; `show` cuts them into tunings of 5, 10 and 40 pairs and counts the intervals that hold
the truth: that of their process, and that of the other processes, since a process may have a speed of its own.

    python -m benchmarks.tuning.real_coverage pairs digits --plan fused_optimizer --rows DIR/pairs.jsonl --processes 4
    python -m benchmarks.tuning.real_coverage show --rows DIR/pairs.jsonl

Without `--plan`, `pairs` times the baseline against itself. A process takes `--seconds`, 150 by default.
"""

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.doctor.scoring import share
from benchmarks.recording import record
from hasten.base.records.record import Interval
from hasten.machine import load_cached
from hasten.measurement.paired import timed_pairs
from hasten.measurement.statistics import robust_sigma, trimmed_mean
from hasten.tasks.loading import load_task
from hasten.techniques.applying import apply_all, make
from hasten.techniques.baseline import baseline_of
from hasten.tuning.bench import Bench
from hasten.tuning.confirm import ratio_of_pairs
from hasten.tuning.context import steps_per_block

SIZES = (5, 10, 40)
BEFORE = 30
"""Pairs before the first interval, from which the noise is known, as the search knows it."""

Row = dict[str, Any]


def pairs(task_name: str, plan: Sequence[str], *, data: Path | None, seconds: float) -> list[float]:
    """Return the logarithm of what the plan gains in each pair, in the order they were timed."""
    machine = load_cached(quick=True)
    recipe = baseline_of(load_task(task_name, data=data), machine)
    plain, planned = Bench(recipe), Bench(apply_all([make(name) for name in plan], recipe, machine))
    steps = steps_per_block(min(plain.step_s, planned.step_s))
    more = math.log(planned.samples_per_step / plain.samples_per_step)
    until_s, logs = time.perf_counter() + seconds, list[float]()
    for plain_s, planned_s in timed_pairs(plain, planned, steps=steps, seed=os.getpid()):
        logs.append(math.log(plain_s / planned_s) + more)
        if time.perf_counter() > until_s:
            return logs
    raise AssertionError("pairs have no end")


def intervals(logs: Sequence[float], size: int) -> Iterator[tuple[int, Interval]]:
    """Yield the first pair and the interval of each tuning of so many pairs, its noise known from the pairs before."""
    for first in range(BEFORE, len(logs) - size + 1, size):
        noise = robust_sigma(logs[first - BEFORE : first]) / math.sqrt(2)
        yield first, ratio_of_pairs(logs[first : first + size], noise)


def coverage(processes: Sequence[Sequence[float]], size: int, *, same: bool) -> dict[str, Any]:
    """Return the shares of intervals that hold the truth of their process, and of all other processes.

    Args:
        processes: the logarithms of each process.
        size: pairs of an interval.
        same: both sides are the same, so that the truth is 1.
    """
    held, elsewhere, excluded, count, widths = 0, 0, 0, 0, list[float]()
    for number, logs in enumerate(processes):
        others = list(itertools.chain(*processes[:number], *processes[number + 1 :]))
        for first, found in intervals(logs, size):
            truth = 0.0 if same else trimmed_mean([*logs[:first], *logs[first + size :]])
            held += math.log(found.low) <= truth <= math.log(found.high)
            excluded += not found.low <= 1 <= found.high
            elsewhere += bool(others) and math.log(found.low) <= trimmed_mean(others) <= math.log(found.high)
            widths.append(found.high / found.low - 1)
            count += 1
    return {
        "pairs": size,
        "held": share(held, count),
        "held in other processes": share(elsewhere, count) if len(processes) > 1 else None,
        "exclude 1": share(excluded, count),
        "median width": sorted(widths)[len(widths) // 2],
    }


def show(rows: Path) -> None:
    """Count, print and record."""
    groups: dict[tuple[str, str], list[list[float]]] = {}
    for row in map(json.loads, rows.read_text().splitlines()):
        groups.setdefault((row["task"], "+".join(row["plan"])), []).append(row["logs"])
    found = list[Row]()
    for (task, plan), processes in groups.items():
        typical = [trimmed_mean(logs) for logs in processes]
        found.append({
            "task": task, "plan": plan, "processes": [math.exp(one) for one in typical],
            "pairs": [len(logs) for logs in processes],
            "noise of a pair": [robust_sigma(logs) for logs in processes],
            "neighbours correlate": [float(np.corrcoef(logs[:-1], logs[1:])[0, 1]) for logs in processes],
            "coverage": [coverage(processes, size, same=not plan) for size in SIZES],
        })  # fmt: skip
        print(json.dumps(found[-1], indent=1))
    record("real_coverage", {"rows": found})


def main() -> None:
    """Time pairs, in processes one after the other, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pairs", "show"))
    parser.add_argument("task", nargs="?")
    parser.add_argument("--plan", default="", help="techniques, separated by commas")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    if given.what == "show":
        show(given.rows)
    elif given.task is None:
        parser.error("pairs needs a task")
    elif given.processes > 1:
        command = [sys.executable, "-m", "benchmarks.tuning.real_coverage", *sys.argv[1:], "--processes", "1"]
        for _ in range(given.processes):
            subprocess.run(command, check=True)
    else:
        plan = [name for name in given.plan.split(",") if name]
        logs = pairs(given.task, plan, data=given.data, seconds=given.seconds)
        row = {"task": given.task, "plan": plan, "logs": logs, "load": os.getloadavg()[0]}
        with given.rows.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
