"""Regret, cost and spread of the learning rate that `hasten lr` chooses, on ten small workloads.

`truth` trains every rate of a 15-point grid; `choose` asks for a rate several times, each with another seed, and trains
with it. Both append to a file of rows, so that a run that was cut can continue. `table` joins them and keeps the result.

    python -m benchmarks.tuning.lr_choice truth --rows DIR/truth.jsonl --seeds 2 [--only NAME]
    python -m benchmarks.tuning.lr_choice choose --rows DIR/choice.jsonl --repeats 10 [--only NAME]
    python -m benchmarks.tuning.lr_choice table --rows DIR/*.jsonl

Regret is the final validation loss with the chosen rate over that of the best rate of the grid, minus 1; both are means
over the seeds of `truth`. Cost is the steps of all branches and sweeps over those of the training.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recording import record
from benchmarks.tuning.lr_workloads import WORKLOADS, grid, own_rate, with_factor
from hasten.base.records.run import Evaluation
from hasten.machine import facts
from hasten.techniques.baseline import baseline_of
from hasten.training.loop import train
from hasten.training.session import build
from hasten.training.task import Task

Row = dict[str, Any]

REGRET, WORTH_IT, SPREAD, COST = 0.01, 8, 1.4, 0.05
"""What was asked for: at most this regret on at least so many workloads, and at most this spread and cost."""


def final_loss(task: Task, seed: int) -> float:
    """Return the validation loss at the end of a training, infinite where it diverged."""
    run = build(baseline_of(task, facts()), seed=seed)
    losses = [event.valid_loss for event in train(run) if isinstance(event, Evaluation)]
    loss = losses[-1] if losses else None
    return math.inf if loss is None else loss


def rows_of(path: Path) -> list[Row]:
    """Return the rows of a file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(path: Path, row: Row) -> None:
    """Append a row to a file."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def truth(path: Path, names: list[str], seeds: int) -> None:
    """Train every rate of the grids."""
    done = {(row["name"], row["rate"], row["seed"]) for row in rows_of(path)}
    for seed in range(seeds):
        for name in names:
            task = WORKLOADS[name][0]()
            for rate in grid(name):
                if (name, rate, seed) not in done:
                    loss = final_loss(with_factor(task, rate / own_rate(task)), seed)
                    keep(path, {"part": "truth", "name": name, "rate": rate, "seed": seed, "loss": loss})


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=["truth", "choose", "table"])
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", action="append", choices=list(WORKLOADS))
    given = parser.parse_args()
    names = given.only or list(WORKLOADS)
    if given.part == "truth":
        truth(given.rows[0], names, given.seeds)


if __name__ == "__main__":
    main()
