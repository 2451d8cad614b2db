"""How often the interval that tuning reports holds the truth, on real pairs of real training steps.

Pairs of blocks are timed as the last measurement of a tuning does: the baseline against itself built again (A/A, the
truth is 1), and a plan against the baseline (A/B, the truth is what all other pairs of that process show). One process
after the other writes its pairs; `show` cuts them into tunings: what the blocks of 30 s show of the noise and of the
drift, as a search knows them, then an interval of the next 5, 10 or 40 pairs. It counts the intervals that hold the
truth: that of their process, and that of the other processes, since a process may have a speed of its own.

    python -m benchmarks.tuning.real_coverage pairs digits --plan fused_optimizer --rows DIR/pairs.jsonl --processes 4
    python -m benchmarks.tuning.real_coverage show --rows DIR/pairs.jsonl

Without `--plan`, `pairs` times the baseline against itself. A process takes `--seconds`, 150 by default.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from hasten.tuning.confirm import noise_and_drift, ratio_of_pairs
from hasten.tuning.context import steps_per_block

SIZES = (5, 10, 40)
SEARCH_S = 30.0
"""Seconds of pairs before an interval, from which noise and drift are known: the least budget of a tuning."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Timed:
    """The pairs of one process, in the order they were timed.

    Attributes:
        ends_s: when each ended, since the first began.
        plain: logarithm of the seconds that a sample took with the baseline.
        planned: the same with the plan.
    """

    ends_s: list[float]
    plain: list[float]
    planned: list[float]

    @property
    def gains(self) -> list[float]:
        """The logarithm of what the plan gains in each pair."""
        return [plain - planned for plain, planned in zip(self.plain, self.planned, strict=True)]


def pairs(task_name: str, plan: Sequence[str], *, data: Path | None, seconds: float) -> Timed:
    """Return the pairs of so many seconds."""
    machine = load_cached(quick=True)
    recipe = baseline_of(load_task(task_name, data=data), machine)
    sides = Bench(recipe), Bench(apply_all([make(name) for name in plan], recipe, machine))
    steps = steps_per_block(min(side.step_s for side in sides))
    began_s, found = time.perf_counter(), Timed([], [], [])
    for times_s in timed_pairs(*sides, steps=steps, seed=os.getpid()):
        plain, planned = (
            math.log(block_s / steps / side.samples_per_step) for side, block_s in zip(sides, times_s, strict=True)
        )
        found.ends_s.append(time.perf_counter() - began_s)
        found.plain.append(plain)
        found.planned.append(planned)
        if found.ends_s[-1] > seconds:
            return found
    raise AssertionError("pairs have no end")


def intervals(timed: Timed, size: int) -> Iterator[tuple[int, Interval]]:
    """Yield the first pair and the interval of each tuning of so many pairs, after a search of `SEARCH_S`."""
    first = 0
    while True:
        begin = bisect(timed.ends_s, timed.ends_s[first] + SEARCH_S)
        if begin + size > len(timed.ends_s):
            return
        noise, changes = noise_and_drift([*zip(timed.plain[first:begin], timed.planned[first:begin], strict=True)])
        yield begin, ratio_of_pairs(timed.gains[begin : begin + size], noise, changes=changes)
        first += size


def coverage(processes: Sequence[Timed], size: int, *, same: bool) -> dict[str, Any]:
    """Return the shares of intervals that hold the truth of their process, and of all other processes.

    Args:
        processes: the pairs of each.
        size: pairs of an interval.
        same: both sides are the same, so that the truth is 1.
    """
    held, elsewhere, excluded, count, widths = 0, 0, 0, 0, list[float]()
    for number, timed in enumerate(processes):
        gains = timed.gains
        others = [gain for other in (*processes[:number], *processes[number + 1 :]) for gain in other.gains]
        for first, found in intervals(timed, size):
            truth = 0.0 if same else trimmed_mean([*gains[:first], *gains[first + size :]])
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
    groups: dict[tuple[str, str], list[Timed]] = {}
    for row in map(json.loads, rows.read_text().splitlines()):
        groups.setdefault((row["task"], "+".join(row["plan"])), []).append(Timed(**row["timed"]))
    found = list[Row]()
    for (task, plan), processes in groups.items():
        gains = [timed.gains for timed in processes]
        found.append({
            "task": task, "plan": plan, "processes": [math.exp(trimmed_mean(one)) for one in gains],
            "pairs": [len(one) for one in gains],
            "seconds": [timed.ends_s[-1] for timed in processes],
            "noise of a pair": [robust_sigma(one) for one in gains],
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
        timed = pairs(given.task, plan, data=given.data, seconds=given.seconds)
        row = {"task": given.task, "plan": plan, "timed": asdict(timed), "load": os.getloadavg()[0]}
        with given.rows.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
