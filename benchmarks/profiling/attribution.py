"""Are delays found where they are planted? 2, 5, 10 and 20 % of a step, in every part in turn; see `planting.py`.

The sum of the parts is compared with the wall clock of the whole loop. One thread and a model that fits the core's own
cache keep the side effects of a wait small: idle threads of a pool must be woken, and neighbors evict the shared cache.

    python -m benchmarks.profiling.attribution [--steps 3000]
"""

import argparse
import random
from dataclasses import replace

import numpy as np
import torch

from benchmarks.profiling.planting import WARM, BusyWait, Delay, planted, recovered
from benchmarks.recording import record
from hasten import Data
from hasten.data.loading.loaders import gathered
from hasten.profiling.parts import time_between
from hasten.profiling.stepping import loop_steps, set_aside_stop_rules
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.task import Stop

DELAYS = (0.02, 0.05, 0.10, 0.20)
PLACES = ("input", "transfer", "forward", "loss", "backward", "gradient", "update")


def small(part: str, delay: Delay) -> Recipe:
    """Return a recipe of a small MLP that waits in one part of its step."""
    return planted(part, delay, loader=lambda _: gathered, hidden=(128, 128, 128), samples=2048, batch=128)


def in_step(part: str, share: float, steps: int) -> dict[str, object]:
    """Plant a delay of a share of the step in one part of it, and return what is found."""
    delay = BusyWait()
    return recovered(small(part, delay), part, share, delay, steps=steps)


def in_evaluation(share: float, repeats: int) -> dict[str, object]:
    """Plant a delay into evaluations, a share of one, and return what is found; with and without, in random order.

    It stands behind the last forward pass: a wait makes the work after it slower, and that is not the delay.
    """
    delay, shuffle = BusyWait(), random.Random(0)
    recipe = small("loss", delay)
    train = recipe.task.data.train
    run = build(replace(recipe, task=replace(recipe.task, data=Data(train=train, valid=train))))  # some batches of it
    set_aside_stop_rules(run)
    loop_steps(run, WARM)
    delay.calls, delay.every = 0, 2 * sum(1 for _ in run.validation_batches())  # the first of two only warms up
    stop = Stop(steps=100, evaluate_every=WARM)
    usual_s = time_between(run, stop).evaluation_s
    found_s: dict[bool, list[float]] = {False: [], True: []}
    spent, sides = [], [False, True]
    with run.contexts:
        for _ in range(repeats):
            shuffle.shuffle(sides)
            for waits in sides:
                delay.wait_s, delay.spent = share * usual_s if waits else 0.0, []
                found_s[waits].append(time_between(run, stop).evaluation_s)
                if waits:
                    spent.append(delay.spent[-1])  # of the last evaluation, which is the one that counts
    slow_s = found_s[True]
    found, planted_s = float(np.median(np.subtract(slow_s, found_s[False]))), float(np.median(spent))
    return {"part": "evaluation", "planted_share": share, "planted_s": planted_s, "recovered_s": found,
            "error_pp": 100 * (found - planted_s) / float(np.median(slow_s)), "repeats": repeats}  # fmt: skip


def main() -> None:
    """Plant every delay in every part, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--smoke", action="store_true", help="two parts; results are not kept")
    given = parser.parse_args()
    torch.set_num_threads(1)
    places = ("backward", "update") if given.smoke else PLACES
    rows = [in_step(part, share, given.steps) for part in places for share in DELAYS]
    rows += [in_evaluation(share, 4 if given.smoke else 500) for share in DELAYS]
    print("planted delay, what was found of it, and the worst change of another part, in percentage points of the step")
    for row in rows:
        others, sums = row.get("worst_other_pp", 0.0), row.get("parts_over_wall", 1.0)
        print(f"  {row['part']:10} {100 * row['planted_share']:4.0f} %  error {row['error_pp']:+6.2f}  "
              f"others {others:+6.2f}  parts/wall {sums:.4f}")  # fmt: skip
    within = sum(abs(float(str(row["error_pp"]))) <= 1 for row in rows)
    print(f"{within} of {len(rows)} within 1 percentage point")
    if not given.smoke:
        print(record("profile_attribution", {"rows": rows, "within_1_pp": within}))


if __name__ == "__main__":
    main()
