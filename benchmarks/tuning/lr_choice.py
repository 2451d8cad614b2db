"""Regret, cost and spread of the learning rate that `hasten lr` chooses, on ten small workloads and two unseen ones.

`truth` trains every rate of a 15-point grid; `choose` asks for a rate several times, each with another
seed. Both append to a file of rows, so that a run that was cut can continue. `table` joins them and keeps the
result.

    python -m benchmarks.tuning.lr_choice truth --rows DIR/truth.jsonl --seeds 2 [--only NAME]
    python -m benchmarks.tuning.lr_choice choose --rows DIR/choice.jsonl --repeats 10 [--only NAME]
    python -m benchmarks.tuning.lr_choice table --rows DIR/*.jsonl

Regret is the final validation loss with the chosen rate over that of the best rate of the grid, minus 1. Trainings with
other seeds differ by more than 1 % on some workloads, so that the lowest of 15 losses is lower than any rate deserves:
both losses are read from a smooth curve through the means over the seeds of `truth` (`smooth`), and regret by the raw
losses is kept beside it, with what the seeds differ by. Cost is the updates of all branches and sweeps over those of
the training.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recording import record
from benchmarks.tuning.lr_workloads import ALL, UNSEEN, grid, own_rate, with_factor
from hasten.base.records.run import Evaluation
from hasten.machine import facts
from hasten.techniques.baseline import baseline_of
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.task import Task
from hasten.tuning.rate.choose import choose_rate

Row = dict[str, Any]

SPAN = 0.6
"""Decades of the learning rate on either side that the smooth curve looks at."""
UPDATES, TRAININGS = 54_000, 27
"""Budget of a search: so many updates, which an idle core makes in half a minute to a minute, but at most so many
trainings: then all that decides is whole trainings. Counted in updates, other work on the machine changes nothing."""
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
            task = ALL[name][0]()
            for rate in grid(name):
                if (name, rate, seed) not in done:
                    loss = final_loss(with_factor(task, rate / own_rate(task)), seed)
                    keep(path, {"part": "truth", "name": name, "rate": rate, "seed": seed, "loss": loss})


def choose(path: Path, names: list[str], repeats: int) -> None:
    """Ask for the rate of each workload, with another seed each time."""
    done = {(row["name"], row["repeat"]) for row in rows_of(path)}
    for repeat in range(repeats):
        for name in names:
            if (name, repeat) in done:
                continue
            task = replace(ALL[name][0](), seed=1000 + repeat)
            trainings = min(TRAININGS, UPDATES / task.stop.steps) if task.stop.steps else TRAININGS
            found = choose_rate(
                baseline_of(task, facts()),
                budget=lambda planned_s, trainings=trainings: trainings * planned_s,
                show=lambda record: None,
            )
            row = {
                "part": "choose",
                "name": name,
                "repeat": repeat,
                "verdict": found.verdict,
                "used": found.rates[0],
                "best": None if found.rate is None else found.rate.value,
                "horizon": found.horizon,
                "branch_steps": found.branch_steps,
                "steps": found.steps,
                "planned_steps": found.planned_steps,
                "spent_s": found.spent_s,
            }
            keep(path, row)


def table(rows: list[Row]) -> None:
    """Print and keep regret, cost and spread of each workload."""
    told = list[Row]()
    for name in ALL:
        losses = _all_losses(rows, name)
        seeds = min(len(one) for one in losses.values())  # those that all rates have
        losses = {rate: one[:seeds] for rate, one in losses.items()}
        chosen = [row for row in rows if row["part"] == "choose" and row["name"] == name]
        if not chosen or not all(losses.values()):
            continue
        means = [sum(one) / len(one) for one in losses.values()]
        used = [row["used"] for row in chosen]
        rates, levels = smooth(list(losses), means)
        lowest = min(levels)
        regrets = [_read(rates, levels, rate) / lowest - 1 for rate in used]
        own = own_rate(ALL[name][0]())
        told.append(
            {
                "name": name,
                "best_rate": list(losses)[int(np.argmin(means))],
                "smooth_best_rate": rates[int(np.argmin(levels))],
                "own_rate": own,
                "own_regret": _read(rates, levels, own) / lowest - 1,
                "chosen": used,
                "regret": float(np.mean(regrets)),
                "worst_regret": max(regrets),
                "raw_regret": float(np.mean([_read(list(losses), means, rate) / min(means) - 1 for rate in used])),
                "seed_noise": seed_noise(_all_losses(rows, name), lowest),
                "spread": float(np.exp(np.std(np.log(used), ddof=1))) if len(used) > 1 else None,
                "range": max(used) / min(used),
                "cost": float(np.mean([row["steps"] / row["planned_steps"] for row in chosen])),
                "updates": float(np.mean([row["steps"] for row in chosen])),
                "seeds": seeds,
                "grid": {f"{rate:.4g}": mean for rate, mean in zip(losses, means, strict=True)},
            }
        )
        print(
            "{name:24} best {smooth_best_rate:.3g} own {own_rate:.3g} ({own_regret:+.1%}) regret {regret:+.1%} worst "
            "{worst_regret:+.1%} range x{range:.2f} cost {cost:.0%} of the run".format(**told[-1])
        )
    unseen, told = ([row for row in told if (row["name"] in UNSEEN) is held] for held in (True, False))
    within = {f"{most:.0%}": sum(row["regret"] <= most for row in told) for most in (REGRET, 0.02, 0.05)}
    print(f"workloads of {len(told)} by regret at most: {within}")
    asked = {"regret": REGRET, "workloads": WORTH_IT, "range": SPREAD, "cost": COST}
    repeats = len({row["repeat"] for row in rows if row["part"] == "choose"})
    record("lr_choice", {"asked": asked, "repeats": repeats, "within": within, "workloads": told, "unseen": unseen})


def smooth(rates: list[float], losses: list[float]) -> tuple[list[float], list[float]]:
    """Return a fine grid of rates, and the loss at each by a parabola through what is near, both in logarithms.

    Only where the loss is within 35 % of the lowest, and four rates of the grid are near; elsewhere straight lines.
    """
    known = np.isfinite(losses)
    x, y = np.log10(np.array(rates)[known]), np.log(np.array(losses)[known])
    fine = np.linspace(x[0], x[-1], 100 * (len(x) - 1) + 1)
    levels = np.interp(fine, x, y)
    near = y <= y.min() + math.log(1.35)
    for place, at in enumerate(fine):
        weight = np.maximum(0, 1 - np.abs((x[near] - at) / SPAN) ** 3) ** 3
        if x[near][0] <= at <= x[near][-1] and np.count_nonzero(weight) >= 4:
            levels[place] = np.polyfit(x[near] - at, y[near], 2, w=np.sqrt(weight))[-1]
    return (10**fine).tolist(), np.exp(levels).tolist()


def seed_noise(losses: dict[float, list[float]], lowest: float) -> float | None:
    """Return the standard deviation over seeds of the logarithm of the loss, of rates within 10 % of the lowest."""
    near = [np.log(one) for one in losses.values() if len(one) > 1 and np.mean(one) <= 1.1 * lowest]
    squares = [float(np.var(one, ddof=1)) for one in near]
    return math.sqrt(sum(squares) / len(squares)) if squares else None


def _all_losses(rows: list[Row], name: str) -> dict[float, list[float]]:
    return {rate: _losses(rows, name, rate) for rate in grid(name)}


def _losses(rows: list[Row], name: str, rate: float) -> list[float]:
    found = [row for row in rows if row["part"] == "truth" and row["name"] == name]
    return [row["loss"] for row in found if math.isclose(row["rate"], rate)]


def _read(rates: list[float], losses: list[float], rate: float) -> float:
    """Return the loss at a rate between those of the grid; infinite outside, and beside a rate that diverged."""
    if not rates[0] <= rate <= rates[-1]:
        return math.inf
    return float(np.interp(math.log(rate), np.log(rates), losses))


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=["truth", "choose", "table"])
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", action="append", choices=list(ALL))
    given = parser.parse_args()
    names = given.only or list(ALL)
    if given.part == "truth":
        truth(given.rows[0], names, given.seeds)
    elif given.part == "choose":
        choose(given.rows[0], names, given.repeats)
    else:
        table([row for path in given.rows for row in rows_of(path)])


if __name__ == "__main__":
    main()
