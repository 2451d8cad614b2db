"""What tuning inside a training costs: `train --autotune` against the same training with its plan known beforehand.

Pairs of whole trainings from the same seed, in an order that alternates: one finds its plan inside, the other starts
with the plan that a run before found. The gates that are asked before a training begins count on both sides.

    python benchmarks/tuning/autotune.py digits --epochs 200 --pairs 5 --out benchmarks/results/autotune.json
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import hasten
from hasten.base.records.record import load
from hasten.base.records.trial import Tuning
from hasten.machine import facts
from hasten.measurement.statistics import few_ratios
from hasten.pipeline.autotuning import FOUND
from hasten.tasks.loading import load_task
from hasten.training.task import Stop, Task


def timed(task: Task, **options: object) -> tuple[float, Path]:
    """Return the seconds of a whole training, and its run folder."""
    runs = Path(tempfile.mkdtemp())
    began = perf_counter()
    trained = hasten.train(task, runs=runs, **options)  # type: ignore[arg-type]
    spent_s = perf_counter() - began
    assert trained.result.folder is not None
    return spent_s, Path(trained.result.folder)


def main() -> None:
    """Measure and print the ratio of both times with its interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    task = replace(load_task(args.task), stop=Stop(epochs=args.epochs))  # no target: both make the same steps
    first_s, folder = timed(task, autotune=True)
    tuning = load(Tuning, folder / FOUND)
    pairs = list[tuple[float, float]]()
    for number in range(args.pairs):
        sides = [("inside", {"autotune": True}), ("known", {"plan": tuning.plan})]
        times = {name: timed(task, **options)[0] for name, options in sides[:: 1 if number % 2 else -1]}
        pairs.append((times["inside"], times["known"]))
        print(f"pair {number + 1}: inside {times['inside']:.2f} s, known {times['known']:.2f} s", flush=True)
    cost = few_ratios([inside_s / known_s for inside_s, known_s in pairs])
    print(f"plan {tuning.plan.labels}: tuning inside takes {cost} times as long as with the plan known")
    if args.out is not None:
        found = {
            "task": args.task,
            "epochs": args.epochs,
            "machine": facts().cpu,
            "plan": tuning.plan.labels,
            "first_s": first_s,
            "pairs_s": pairs,
            "cost": [cost.value, cost.low, cost.high],
        }
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
