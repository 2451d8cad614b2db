"""False alarms and misses of the gate of PRECISION: what it says of a change, and what whole trainings say.

`truth` trains every case over the seeds and `gate` asks the gate at two states of the baseline. Both append to a file
of rows, so that a run that was cut can continue. `table` joins them and keeps the result. The gate of an earlier
version is asked by running `gate` with that version's sources.

    python -m benchmarks.tuning.precision_gate truth --rows DIR/truth.jsonl --data DIR [--only gpt]
    python -m benchmarks.tuning.precision_gate gate --rows DIR/gate.jsonl --data DIR --version after [--only gpt]
    python -m benchmarks.tuning.precision_gate table --rows DIR/*.jsonl
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from scipy.stats import ttest_1samp

from benchmarks.recording import record
from benchmarks.tuning.precision_cases import FORMATS, FURTHER, TRAININGS, changes_of, training
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.tuning.precision import precision_gate
from hasten.tuning.reference_step import State, make_step, state_of

SEEDS = range(3)
STATES = (20, 50)
"""Steps after which the gate is asked."""
STATE_SEED = 3
LEAST_LOSS = 0.01
"""Of the baseline's validation loss: what a training must lose on average to count as worse."""

Row = dict[str, Any]


def trained(recipe: Recipe, seed: int) -> float:
    """Return the validation loss after a training."""
    run = build(recipe, seed=seed)
    for number, batch in enumerate(batches_in_turn(run)):
        make_step(run, batch, seed=number)
        if number + 1 == recipe.task.stop.steps:
            break
    return validation_loss(run)


@torch.no_grad()
def validation_loss(run: Session) -> float:
    """Return the mean loss over the validation data, computed as the training does."""
    run.model.eval()
    summed = count = 0.0
    valid = run.recipe.task.data.valid
    for first in range(0, len(valid), 256):  # type: ignore[arg-type]
        rows = [valid[i] for i in range(first, min(first + 256, len(valid)))]  # type: ignore[arg-type]
        batch = tuple(torch.stack([torch.as_tensor(value) for value in column]) for column in zip(*rows, strict=True))
        loss = run.loss(run.predict(batch), batch)
        summed, count = summed + float(loss.sum), count + float(loss.count)
    return summed / count


def state_after(recipe: Recipe, steps: int, seed: int) -> State:
    """Return the state of the baseline after so many steps."""
    run = build(recipe, seed=seed)
    for number, batch in enumerate(batches_in_turn(run)):
        if number == steps:
            break
        make_step(run, batch, seed=number)
    return state_of(run)


def truth(data: Path, names: list[str], kept: Path) -> None:
    """Train every case over the seeds."""
    done = {(row["training"], row["case"], row["seed"]) for row in rows_of(kept)}
    for seed in SEEDS:
        for name in names:
            recipe = training(name, data)
            for case, change in {"baseline": lambda one: one, **changes_of(name, recipe)}.items():
                if (name, case, seed) not in done:
                    row = {"training": name, "case": case, "seed": seed, "loss": trained(change(recipe), seed)}
                    append(kept, row)


def ask(data: Path, names: list[str], kept: Path, version: str) -> None:
    """Ask the gate about every case."""
    done = {(row["version"], row["training"], row["case"], row["steps"]) for row in rows_of(kept)}
    for name in names:
        recipe = training(name, data)
        for steps in STATES:
            state = state_after(recipe, steps, STATE_SEED)
            for case, change in changes_of(name, recipe).items():
                row: Row = {"version": version, "training": name, "case": case, "steps": steps}
                if tuple(row.values()) in done:
                    continue
                begin = time.perf_counter()
                gate = precision_gate(change(recipe), recipe, state)
                row |= {"passed": gate.passed, "measured": gate.measured, "bound": gate.bound, "detail": gate.detail}
                append(kept, row | {"s": time.perf_counter() - begin})


def joined(rows: list[Row]) -> list[Row]:
    """Return a row for each case: the losses' differences to the baseline, what they say, and the gates' answers."""
    losses: dict[tuple[str, str], dict[int, float]] = {}
    answers: dict[tuple[str, str], dict[str, dict[int, bool]]] = {}
    for row in rows:
        key = row["training"], row["case"]
        if "loss" in row:
            losses.setdefault(key, {})[row["seed"]] = row["loss"]
        else:
            answers.setdefault(key, {}).setdefault(row["version"], {})[row["steps"]] = row["passed"]
    found: list[Row] = []
    for (name, case), asked in answers.items():
        plain, mine = losses.get((name, "baseline"), {}), losses.get((name, case), {})
        apart = [mine[seed] - plain[seed] for seed in sorted(plain.keys() & mine.keys())]
        said = harm_of(apart, mean(plain.values())) if len(apart) > 1 else "unknown"
        found.append({"training": name, "case": case, "differences": apart, "truth": said, "passed": asked})
    return found


def harm_of(apart: list[float], loss: float) -> str:
    """Return "worse" if the paired differences are above zero beyond chance and chance alone does not make them so."""
    average = mean(apart)
    if average < LEAST_LOSS * loss:
        return "not worse"
    return "worse" if ttest_1samp(apart, 0.0, alternative="greater").pvalue < 0.05 else "unclear"


def rates(cases: list[Row], version: str) -> dict[str, str]:
    """Return how often a version of the gate refuses, by group of cases, over the states that all versions judged."""
    formats = [row for row in cases if row["case"] in FORMATS]
    others = [row for row in cases if row["case"] not in FORMATS]
    groups = {
        "formats and layouts, refused": formats,
        "other changes, not worse, refused": [row for row in others if row["truth"] == "not worse"],
        "other changes, unclear, refused": [row for row in others if row["truth"] == "unclear"],
        "other changes, worse, refused": [row for row in others if row["truth"] == "worse"],
    }
    found = {}
    for what, group in groups.items():
        answers = [
            row["passed"][version][steps]
            for row in group
            for steps in row["passed"].get("before", {}).keys() & row["passed"].get("after", {}).keys()
        ]
        found[what] = f"{answers.count(False)} of {len(answers)}"
    return found


def append(path: Path, row: Row) -> None:
    """Write a row at the end of a file and print it."""
    line = json.dumps(row)
    print(line, flush=True)
    with path.open("a") as file:
        file.write(line + "\n")


def rows_of(path: Path) -> list[Row]:
    """Return the rows of a file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Train, ask, or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("truth", "gate", "table"))
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--version", default="after")
    parser.add_argument("--only", nargs="+", default=[*TRAININGS, *FURTHER])
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "truth":
        truth(given.data, given.only, given.rows[0])
    elif given.what == "gate":
        ask(given.data, given.only, given.rows[0], given.version)
    else:
        rows = [row for path in given.rows for row in rows_of(path)]
        cases = joined(rows)
        summary = {version: rates(cases, version) for version in ("before", "after")}
        print(record("precision_gate", {"summary": summary, "cases": cases, "rows": rows}))
        for row in cases:
            apart = " ".join(f"{value:+.3f}" for value in row["differences"])
            print(f"{row['training']:16} {row['case']:36} {row['truth']:10} {apart:24} {row['passed']}")
        print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
