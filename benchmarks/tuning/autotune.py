"""What tuning inside a training costs: `train --autotune` against the same training with its plan known beforehand.

Pairs of whole trainings from the same seed, an epoch of each in turn on one core, so that what else the machine does
meets both: one finds its plan inside, the other starts with the plan that a run before found. The gates that are asked
before a training begins count on both sides.

    python -m benchmarks.tuning.autotune digits --epochs 200 --pairs 5
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import fsum
from pathlib import Path
from typing import Any

import torch

import hasten
from benchmarks.recording import record, told
from benchmarks.turns import Pause, in_turn
from hasten.base.records.record import load
from hasten.base.records.run import Evaluation
from hasten.base.records.trial import Tuning
from hasten.measurement.statistics import few_ratios
from hasten.pipeline.autotuning import FOUND
from hasten.tasks.loading import load_task
from hasten.training.task import Stop, Task

FIRST = 200
"""Epochs in which the plan is found that the other side knows beforehand."""


def trained(task: Task, options: Mapping[str, Any]) -> Callable[[Pause], Path]:
    """Return a whole training that pauses after each epoch and returns its folder."""

    def train(pause: Pause) -> Path:
        def show(event: object) -> None:
            if isinstance(event, Evaluation):
                pause()

        folder = hasten.train(task, runs=Path(tempfile.mkdtemp()), show=show, **options).result.folder
        assert folder is not None
        return Path(folder)

    return train


def main() -> None:
    """Measure and print the ratio of both times with its interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = replace(load_task(args.task, data=args.data), stop=Stop(epochs=args.epochs))  # both make the same steps
    shorter = replace(task, stop=Stop(epochs=min(args.epochs, FIRST)))
    first = in_turn({"first": trained(shorter, {"autotune": True})})["first"]
    tuning = load(Tuning, first.result / FOUND)
    print(f"first: {fsum(first.blocks_s):.1f} s; {tuning.plan.labels}; {tuning.remark}", flush=True)
    pairs, found = list[tuple[float, float]](), list[tuple[str, ...]]()
    for number in range(args.pairs):
        task = replace(task, seed=task.seed + 1)
        sides = in_turn(
            {"inside": trained(task, {"autotune": True}), "known": trained(task, {"plan": tuning.plan})},
        )
        pairs.append((fsum(sides["inside"].blocks_s), fsum(sides["known"].blocks_s)))
        found.append(tuple(load(Tuning, sides["inside"].result / FOUND).plan.labels))
        print(f"pair {number + 1}: inside {pairs[-1][0]:.2f} s, known {pairs[-1][1]:.2f} s, {found[-1]}", flush=True)
        if number:
            cost = few_ratios([inside_s / known_s for inside_s, known_s in pairs])
            print(f"tuning inside takes {told(cost)} times as long as with the plan known", flush=True)
            content = {"task": args.task, "epochs": args.epochs, "plan": tuning.plan.labels, "plans inside": found}
            record("autotune", {**content, "pairs_s": pairs, "cost": cost})


if __name__ == "__main__":
    main()
