"""For orientation: one small perceptron trained by others, against the usual loop with a `DataLoader`, in turn.

Every side makes as many Adam updates on the same data: the loop of `overhead.py`, hasten with the empty plan,
hasten with the plan that pays here (batched_gather, fused_optimizer), and scikit-learn's MLPClassifier.

    python benchmarks/overhead_peers.py [--rounds 15]
"""

import argparse
import math
import random
import warnings
from collections.abc import Callable
from time import perf_counter

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from hasten import Choice, Plan
from hasten.machine import facts
from hasten.techniques.applying import apply_plan
from hasten.training.recipe import baseline
from hasten.training.running import run_training

from overhead import mlp
from recording import ratio, record, told

EPOCHS = 4


def sides() -> dict[str, Callable[[], object]]:
    """Return name -> one whole training of the small perceptron."""
    workload = mlp()
    recipe, empty = baseline(workload.task), Plan(task="mlp")
    choices = (Choice(technique="batched_gather"), Choice(technique="fused_optimizer"))
    plan = Plan(task="mlp", choices=choices)
    planned = apply_plan(plan, recipe, facts())
    x, y = (column.numpy() for column in workload.task.data.train.tensors)

    def scikit() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # four epochs are what is asked for
            return MLPClassifier(
                (64,), solver="adam", alpha=0.0, batch_size=32, learning_rate_init=1e-3, max_iter=EPOCHS,
                n_iter_no_change=1000, random_state=0,
            ).fit(x, y)  # fmt: skip

    return {
        "by hand": workload.by_hand,
        "hasten, plain": lambda: run_training(recipe, empty, show=lambda event: None),
        "hasten, planned": lambda: run_training(planned, plan, show=lambda event: None),
        "scikit-learn": scikit,
    }


def main() -> None:
    """Time every side in turn, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    trained, shuffle = sides(), random.Random(0)
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
    print(record("overhead_peers", {"rounds": rounds, "rows": rows, "times_s": times}))


if __name__ == "__main__":
    main()
