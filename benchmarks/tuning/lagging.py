"""Harmful and harmless techniques that change the path or the model: what short branches refuse, and at what cost.

Each case is a change of a small training that claims TRAJECTORY. `truth` trains it whole over the seeds, paired with
the training as it is: worse means a validation loss higher by 1 % and more, one-sided p < 0.05 (`harm_of`).
`ask` makes the branches of `hasten.tuning.screening` from the first of these trainings, with the number of their steps.
Rows are appended to a file, so that a run that was cut goes on; `table` joins them and keeps the result.

    python -m benchmarks.tuning.lagging truth --rows DIR/lagging.jsonl --data DIR [--only mlp vit]
    python -m benchmarks.tuning.lagging ask --rows DIR/lagging.jsonl --data DIR [--only mlp vit]
    python -m benchmarks.tuning.lagging table --rows DIR/lagging.jsonl
"""

import argparse
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, ClassVar

import torch

from benchmarks.recording import record
from benchmarks.tuning.planted_techniques import harmful, rate
from benchmarks.tuning.precision_cases import Change, changes_of, training
from benchmarks.tuning.precision_gate import Row, append, harm_of, rows_of, trained
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.machine import load_cached
from hasten.techniques.applying import make, why_refused
from hasten.training.loss import Loss
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique
from hasten.tuning.context import open_laboratory
from hasten.tuning.run_cache import Trainings
from hasten.tuning.screening import screen

STEPS = 300
SEEDS = range(3)
TRAININGS = ("mlp", "lstm", "vit", "resnet", "gpt")
CATALOG = (
    "clip_norm", "clip_value", "clip_adaptive", "centralize", "block_shuffle", "muon_hybrid", "soap", "prodigy",
    "light_activations", "low_rank_linear", "depthwise_separable", "freezing", "augmentation", "delayed_update",
)  # fmt: skip
"""Techniques of the catalog that change the path or the model; those that refuse a training are left out there."""


def technique(change: Change) -> Technique:
    """Return a change as a technique."""

    @dataclass(frozen=True)
    class Planted:
        card: ClassVar[Card] = Card(
            name="planted", stage=Stage.UPDATE, guarantee=Guarantee.TRAJECTORY, idea="planted", source="the benchmark"
        )

        def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
            return None

        def apply(self, recipe: Recipe) -> Recipe:
            return change(recipe)

    return Planted()


def _rate(factor: float) -> Change:
    return lambda one: one.with_update(lr=factor * (one.update.lr or 0.0))


def _batch(factor: float) -> Change:
    return lambda one: one.with_input(batch_size=int(factor * one.input.batch_size)).with_stop(
        steps=int((one.task.stop.steps or 0) / factor)
    )


def _optimizer(name: str, lr: float) -> Change:
    return lambda one: one.with_update(optimizer=name, lr=lr, options={})


def cases(name: str, data: Path) -> dict[str, Change]:
    """Return name -> change of what a training does."""
    recipe, machine = training(name, data), load_cached(quick=True)
    own = recipe.update.lr or 0.0
    found = changes_of(name, recipe) | harmful(name, recipe)
    del found["validation samples in the batches"], found["a layer without gradient"]  # refused before; there twice
    found |= {f"learning rate times {factor}": _rate(factor) for factor in (0.1, 0.3, 0.7, 1.4, 10.0)}
    found |= {"nothing": lambda one: one, "twice the batch": _batch(2), "half the batch": _batch(0.5)}
    found |= {"plain gradient descent": _optimizer("sgd", own), "adamw": _optimizer("adamw", 1e-3)}
    found["weight decay 1"] = lambda one: one.with_update(optimizer="adamw", options={"weight_decay": 1.0}, lr=own)
    for one in CATALOG:
        made = make(one)
        if why_refused(made, recipe, machine) is None:
            found[made.card.name] = made.apply
    return found


def truth(data: Path, names: list[str], kept: Path) -> None:
    """Train every case whole over the seeds."""
    done = {(row["training"], row["case"], row["seed"]) for row in rows_of(kept) if "loss" in row}
    for name in names:
        recipe = training(name, data).with_stop(steps=STEPS)
        for case, change in {"baseline": lambda one: one, **cases(name, data)}.items():
            for seed in SEEDS:
                if (name, case, seed) not in done:
                    loss = _whole(change(recipe), seed)
                    append(kept, {"training": name, "case": case, "seed": seed, "loss": loss})


def _whole(recipe: Recipe, seed: int) -> float:
    try:
        return trained(recipe, seed)
    except (ValueError, RuntimeError) as error:
        print(error)
        return float("inf")


def ask(data: Path, names: list[str], kept: Path, seed: int) -> None:
    """Make the branches of every case, from trainings of a seed."""
    done = {(row["training"], row["case"]) for row in rows_of(kept) if "passed" in row}
    made = _count_steps()
    for name in names:
        task = replace(training(name, data).task, seed=seed)
        recipe = baseline(task).with_stop(steps=STEPS, evaluate_every=STEPS // 16)
        lab = open_laboratory(recipe, load_cached(quick=True), 1e6)
        trainings = Trainings(lab, recipe, ())
        trainings.course((), 0)
        for case, change in cases(name, data).items():
            if (name, case) in done:
                continue
            before = made[0]
            gate = trainings.screen.judged(technique(change))
            append(kept, {
                "training": name, "case": case, "passed": None if gate is None else gate.passed,
                "detail": "" if gate is None else gate.detail, "steps": made[0] - before,
            })  # fmt: skip


def _count_steps() -> list[int]:
    """Return where the steps of branches are counted from now on."""
    made, plain = [0], screen.train_from

    def counted(*args: Any) -> Generator[Loss]:
        for loss in plain(*args):
            made[0] += 1
            yield loss

    screen.train_from = counted
    return made


def joined(rows: list[Row]) -> list[Row]:
    """Return a row for each case: the differences of whole trainings, what they say, and what branches said."""
    losses: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        if "loss" in row:
            losses.setdefault((row["training"], row["case"]), {})[row["seed"]] = row["loss"]
    found: list[Row] = []
    for row in rows:
        plain, mine = losses.get((row["training"], "baseline"), {}), losses.get((row["training"], row["case"]), {})
        if "passed" in row and len(plain.keys() & mine.keys()) > 1:
            apart = [mine[seed] - plain[seed] for seed in sorted(plain.keys() & mine.keys())]
            broken = any(value == float("inf") or value != value for value in apart)
            said = "worse" if broken else harm_of(apart, mean(plain.values()))
            missed = sum(value > 0 for value in apart)
            found.append(row | {"truth": said, "relative": mean(apart) / mean(plain.values()), "seeds missed": missed})
    return found


def table(rows: list[Row]) -> None:
    """Keep the result, and print what went the wrong way."""
    asked = joined(rows)
    judged = [row | {"kept": row["passed"]} for row in asked if row["passed"] is not None]
    worse, fine = ([row for row in judged if row["truth"] == said] for said in ("worse", "not worse"))
    either = [row | {"kept": row["kept"] and row["seeds missed"] == 0} for row in worse]
    summary = {
        "worse, refused": rate(worse, kept=False),
        "worse, refused by either": rate(either, kept=False),
        "not worse, let go on": rate(fine, kept=True),
    }
    cost = {
        said: mean(row["steps"] for row in judged if row["kept"] is kept) / STEPS
        for said, kept in (("refused", False), ("let go on", True))
    }
    for what, value in (summary | cost).items():
        print(what, value)
    for row in judged:
        if row["kept"] is (row["truth"] == "worse") and row["truth"] != "unclear":
            print(f"{row['training']}: {row['case']}: {row['truth']} {row['relative']:+.3f}, {row['detail']}")
    unasked = sum(row["passed"] is None for row in asked)
    content = {"steps": STEPS, "seeds": len(SEEDS), "summary": summary, "cost": cost, "unasked": unasked}
    record("lagging", content | {"cases": asked})


def main() -> None:
    """Train, ask, or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("truth", "ask", "table"))
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", default=list(TRAININGS))
    parser.add_argument("--seed", type=int, default=0, help="of the trainings that branches begin from")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.what == "table":
        table(rows_of(given.rows))
    elif given.what == "truth":
        truth(given.data, given.only, given.rows)
    else:
        ask(given.data, given.only, given.rows, given.seed)


if __name__ == "__main__":
    main()
