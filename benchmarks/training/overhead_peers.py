"""For orientation: one small perceptron trained by others, against the usual loop with a `DataLoader`, in turn.

Every side makes as many Adam updates on the same data: the loop of `overhead.py`, hasten with the empty plan,
hasten with the plan that pays here (batched_gather, fused_optimizer), and the peers of `peer_trainers.py` that are
installed (`pip install lightning accelerate skorch pytorch-ignite fastai`).

    python -m benchmarks.training.overhead_peers [--rounds 15]
"""

import argparse
import math
import random
from collections.abc import Callable
from importlib.metadata import distributions
from time import perf_counter

from benchmarks.recording import ratio, record, told
from benchmarks.training.overhead import mlp
from benchmarks.training.peer_trainers import EPOCHS, installed
from hasten import Choice, Plan
from hasten.machine import facts
from hasten.techniques.applying import apply_plan
from hasten.training.recipe import baseline
from hasten.training.running import run_training

PACKAGES = ("scikit-learn", "lightning", "accelerate", "skorch", "pytorch-ignite", "fastai")


def sides() -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """Return name -> one whole training of the small perceptron, and the peers that are missing."""
    workload = mlp(EPOCHS)
    recipe, empty = baseline(workload.task), Plan(task="mlp")
    choices = (Choice(technique="batched_gather"), Choice(technique="fused_optimizer"))
    plan = Plan(task="mlp", choices=choices)
    planned = apply_plan(plan, recipe, facts())
    peers, missing = installed(workload.task.data.train, workload.task.data.valid)
    own = {
        "by hand": lambda: workload.by_hand(lambda: None),
        "hasten, plain": lambda: run_training(recipe, empty, show=lambda event: None),
        "hasten, planned": lambda: run_training(planned, plan, show=lambda event: None),
    }
    return {**own, **peers}, missing


def main() -> None:
    """Time every side in turn, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    (trained, missing), shuffle = sides(), random.Random(0)
    names = list(trained)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        shuffle.shuffle(names)
        for name in names:
            start = perf_counter()
            trained[name]()
            if number:  # the first round warms up
                times[name].append(perf_counter() - start)
    rows = {
        name: ratio([math.log(mine / usual) for mine, usual in zip(taken, times["by hand"], strict=True)])
        for name, taken in times.items()
        if name != "by hand"
    }
    for name, interval in rows.items():
        print(f"  {name:16} {told(interval)} of the time of the usual loop")
    for name, why in missing.items():
        print(f"  {name:16} not measured: {why}")
    present = {found.metadata["Name"]: found.version for found in distributions()}
    versions = {package: present[package] for package in PACKAGES if package in present}
    content = {"rounds": rounds, "rows": rows, "versions": versions, "missing": missing, "times_s": times}
    print(record("overhead_peers", content))


if __name__ == "__main__":
    main()
