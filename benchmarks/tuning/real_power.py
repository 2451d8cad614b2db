"""What tuning finds on real tasks, beside the best of all combinations of six techniques.

`table` times all 64 combinations in rounds of random order, each block between two of the baseline. `tune` tunes with
the default budget, as `hasten tune TASK --fresh` does. `replay` lets this search and the one before it tune many times,
on a simulated machine whose gains, noise and costs are those of the table. Each appends rows to a file, so a run that
was cut goes on. `show` joins them: the best combination is picked on one half of the rounds and read from the other,
since the highest of 64 noisy numbers is too high.

    python -m benchmarks.tuning.real_power table digits --rows DIR/digits.jsonl --seconds 300 [--processor]
    python -m benchmarks.tuning.real_power tune digits --rows DIR/digits.jsonl --number 3
    python -m benchmarks.tuning.real_power replay digits --rows DIR/digits.jsonl --number 40
    python -m benchmarks.tuning.real_power show --rows DIR/*.jsonl

`--processor` times on one thread by the processor's time, for a machine that does other work, too.
"""

import argparse
import itertools
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

import hasten
from benchmarks.recording import record, recorded, told
from benchmarks.tuning.search_power import SEARCHES, Truth
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.base.stages import FREE, Guarantee
from hasten.machine import facts, load_cached
from hasten.measurement.collector import collector_off
from hasten.measurement.statistics import ratio_interval, robust_sigma
from hasten.tasks.loading import load_task
from hasten.techniques.applying import apply_all, make, why_not_beside_uses, why_refused
from hasten.techniques.baseline import baseline_of
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe
from hasten.training.task import Task
from hasten.tuning.bench import Bench
from hasten.tuning.busy import why_not_by_processor
from hasten.tuning.context import GATE_SLACK, building_steps, steps_per_block
from hasten.tuning.gates import steps_of
from hasten.tuning.search.factors import NONE, Setting
from hasten.tuning.search.model import MAIN_SD, Model

LIKELIEST = (
    "bf16", "channels_last", "int8_linear", "cpu_flash_attention", "fused_optimizer", "batched_gather",
    "recorded_pass", "fused_linear_cross_entropy", "malloc_tuning", "cpu_runtime", "onednn_fp32", "prefetch",
)  # fmt: skip
"""Techniques without set-up cost of which no two conflict, those that gain most often first."""
COUNT = 6
EVERY = 3
"""Blocks between two of the baseline."""

PAIR_SD = 0.02
"""Of what two techniques gain together beyond what each does; 0.003 to 0.05 predict other rounds about as well."""
MEDIAN_ERROR = 1.25
"""Standard errors of a mean that the median of normal numbers is off by."""

Row = dict[str, Any]


def chosen_for(recipe: Recipe, machine: Machine, *, processor: bool) -> list[str]:
    """Return the names of the techniques that are combined; with one thread only those that need no other."""
    known = [name for name in LIKELIEST if name in techniques()]
    fit = [
        name
        for name in known
        if make(name).card.guarantee in FREE
        and why_not_beside_uses(make(name), recipe) is None
        and why_refused(make(name), recipe, machine) is None
        and not (processor and why_not_by_processor(recipe, apply_all([make(name)], recipe, machine)))
    ]
    return fit[:COUNT]


def key(names: Sequence[str]) -> str:
    """Return the name of a combination."""
    return "+".join(sorted(names)) or "baseline"


def combinations(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all combinations."""
    return [one for size in range(len(names) + 1) for one in itertools.combinations(names, size)]


class Table:
    """Benches of all combinations, and rounds of blocks of them.

    Args:
        recipe: the baseline.
        machine: what it runs on.
        plans: the combinations; what cannot be built is left out and told.
        processor: time by the processor's time.
    """

    def __init__(self, recipe: Recipe, machine: Machine, plans: Sequence[tuple[str, ...]], *, processor: bool) -> None:
        self.clock = time.process_time_ns if processor else time.perf_counter_ns
        self.benches: dict[str, Bench] = {}
        self.builds_s: dict[str, float] = {}
        for plan in plans:
            began = self.clock()
            changed = apply_all([make(name) for name in plan], recipe, machine)
            self.benches[key(plan)] = Bench(changed, beside=[one.run for one in self.benches.values()])
            self.builds_s[key(plan)] = (self.clock() - began) * 1e-9
        self.random = random.Random(time.time_ns())

    def block(self, name: str) -> float:
        """Return the logarithm of the seconds a sample takes."""
        bench = self.benches[name]
        steps = steps_per_block(bench.step_s)
        with collector_off(), bench:
            bench(1)
            began = self.clock()
            bench(steps)
            spent_s = max(self.clock() - began, 1) * 1e-9
        return math.log(spent_s / steps / bench.samples_per_step)

    def gains(self) -> dict[str, float]:
        """Return combination -> logarithm of how much faster it is than the blocks of the baseline around it."""
        names = [name for name in self.benches if name != "baseline"]
        self.random.shuffle(names)
        found, before = dict[str, float](), self.block("baseline")
        for at in range(0, len(names), EVERY):
            some = {name: self.block(name) for name in names[at : at + EVERY]}
            after = self.block("baseline")
            found |= {name: (before + after) / 2 - log_s for name, log_s in some.items()}
            found[f"baseline {at}"] = before - after
            before = after
        return found


def table(task: Task, rows: Path, *, seconds: float, processor: bool) -> None:
    """Time rounds of all combinations, and of the plans that tunings found, until the seconds are over."""
    machine = load_cached(quick=True)
    if processor:
        torch.set_num_threads(1)
    recipe, before = baseline_of(task, machine), read(rows)
    names = next(
        (row["techniques"] for row in before if row["what"] == "table"),
        chosen_for(recipe, machine, processor=processor),
    )
    plans = dict.fromkeys([*combinations(names), *(tuple(row["plan"]) for row in before if row["what"] == "tuning")])
    began = time.perf_counter()
    timed = Table(recipe, machine, distinct(list(plans)), processor=processor)
    step_s = timed.benches["baseline"].step_s
    append(rows, {
        "what": "table", "task": task.name, "techniques": names, "step_s": step_s, "builds_s": timed.builds_s,
        "processor": processor, "threads": torch.get_num_threads(), "load": os.getloadavg()[0],
    })  # fmt: skip
    while time.perf_counter() - began < seconds:
        at = time.perf_counter()
        gains = timed.gains()
        append(rows, {"what": "round", "gains": gains, "spent_s": time.perf_counter() - at, "load": os.getloadavg()[0]})


def distinct(plans: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return each combination once, whatever the order of its names."""
    return list({key(one): one for one in plans}.values())


def tune(task: Task, rows: Path, *, number: int) -> None:
    """Tune with the default budget so many times, from nothing each time."""
    for _ in range(number):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["XDG_CACHE_HOME"] = cache
            tuning = hasten.tune(task, fresh=True)
        append(rows, {
            "what": "tuning", "task": task.name, "plan": [one.technique for one in tuning.plan.choices],
            "speedup": msgspec.to_builtins(tuning.speedup), "budget_s": tuning.budget_s,
            "spent_s": tuning.spent_s, "remark": tuning.remark, "load": os.getloadavg()[0],
            "trials": {one.technique: one.reason for one in tuning.trials if one.speedup is not None},
        })  # fmt: skip


@dataclass(frozen=True)
class Measured(Truth):
    """A machine on which every combination gains what the table says."""

    table: Mapping[Setting, float] = field(default_factory=dict[Setting, float])

    def gain(self, setting: Setting) -> float:
        """Return what a combination gains; the baseline built again gains nothing."""
        return self.table.get(setting, 0.0)


def replay(rows: Path, *, number: int) -> None:
    """Let both searches tune on a simulated machine with the gains, the noise and the costs of the table."""
    read_rows = read(rows)
    head = [row for row in read_rows if row["what"] == "table"][-1]
    names, logs = head["techniques"], gains_of(read_rows)
    settings = {frozenset(names.index(one) for one in plan): logs[key(plan)] for plan in combinations(names) if plan}
    noise = noise_of(logs)
    means, (build_s, begin_s) = fitted(settings, noise), costs_of(head)
    budgets = [row["budget_s"] for row in read_rows if row["what"] == "tuning"] or [30.0]
    gate_s = min(GATE_SLACK * steps_of(Guarantee.PRECISION) * head["step_s"], 0.25 * budgets[-1])
    truth = Measured(
        gains=(0.0,) * len(names), noise=noise, step_s=head["step_s"], build_s=build_s, begin_s=begin_s,
        gate_s=gate_s, table=means,
    )  # fmt: skip
    most = max(means.values())
    for search, find in SEARCHES.items():
        for seed in range(number):
            plan = find(truth, budget_s=budgets[-1], seed=seed)
            share = math.exp(truth.gain(plan) - most)
            found = key([names[one] for one in plan])
            append(rows, {"what": "replay", "search": search, "seed": seed, "plan": found, "share": share})


def fitted(gains: Mapping[Setting, Sequence[float]], noise: float) -> dict[Setting, float]:
    """Return what combinations truly gain: effects and pairs of them, fitted to the medians of all rounds.

    The medians themselves are noisy, and the highest of 63 is too high. On two tables of `digits`, medians of half of
    the rounds missed those of the other half by 7.2 %, the fit to them by 5.3 % (root mean square, 40 halves).
    """
    model = Model(len(frozenset().union(*gains)), [NONE] * len(frozenset().union(*gains)))
    rows, medians = model.rows(list(gains)), np.array([np.median(logs) for logs in gains.values()])
    counts = np.array([len(logs) for logs in gains.values()])
    weights = counts / (MEDIAN_ERROR**2 * 1.5 * noise**2)  # a gain is a block against the mean of two
    precision = np.concatenate([np.full(model.factors, MAIN_SD**-2.0), np.full(len(model.pairs), PAIR_SD**-2.0)])
    effects = np.linalg.solve(rows.T * weights @ rows + np.diag(precision), rows.T @ (weights * medians))
    return dict(zip(gains, map(float, rows @ effects), strict=True))


def costs_of(head: Row) -> tuple[float, float]:
    """Return the seconds of building a combination, beside its steps, and those that the first build costs more."""
    steps_s = building_steps(head["step_s"]) * head["step_s"]
    later_s = statistics.median(spent_s for name, spent_s in head["builds_s"].items() if name != "baseline")
    return max(later_s - steps_s, 0.0), max(head["builds_s"]["baseline"] - later_s, 0.0)


def gains_of(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Return combination -> its gain in each round."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, gain in row.get("gains", {}).items():
            found.setdefault(name if not name.startswith("baseline") else "baseline", []).append(gain)
    return found


def noise_of(logs: Mapping[str, Sequence[float]]) -> float:
    """Return the standard deviation of the logarithm of a block: those of the baseline differ by that of two."""
    return robust_sigma(logs["baseline"]) / math.sqrt(2)


def shares(rows: Sequence[Row]) -> Iterator[tuple[str, float, str]]:
    """Yield plan of a tuning, its speed as a share of the best combination's, and that; each half picks once."""
    rounds = [row["gains"] for row in rows if row["what"] == "round"]
    names = next(row["techniques"] for row in rows if row["what"] == "table")
    all_of_them = [key(plan) for plan in combinations(names) if plan]

    def typical(name: str, some: Sequence[Mapping[str, float]]) -> float:
        seen = [one[name] for one in some if name in one]
        return statistics.median(seen) if seen else 0.0 if name == "baseline" else math.nan

    for row in rows:
        if row["what"] != "tuning":
            continue
        plan, logs, best = key(row["plan"]), list[float](), ""
        for pick, judge in ((rounds[::2], rounds[1::2]), (rounds[1::2], rounds[::2])):
            best = max(all_of_them, key=lambda name, pick=pick: typical(name, pick))
            logs.append(typical(plan, judge) - max(typical(best, judge), 0.0))
        yield plan, math.exp(statistics.mean(logs)), best


def held(rows: Sequence[Row], combined: Mapping[str, Interval]) -> list[bool]:
    """Return of each tuning whether its interval holds what the table, another process, shows of its plan."""
    said = [(combined[key(row["plan"])], row["speedup"]) for row in rows if row["what"] == "tuning" and row["plan"]]
    return [found["low"] <= true.value <= found["high"] for true, found in said]


def show(files: Sequence[Path]) -> None:
    """Join the rows of all tasks and keep the result, with what it holds of other tasks."""
    before = recorded("real_power")
    found: dict[str, Any] = {name: {"isa": before["isa"], **task} for name, task in before["tasks"].items()}
    for path in files:
        rows = read(path)
        head = [row for row in rows if row["what"] == "table"][-1]
        logs = gains_of(rows)
        combined: dict[str, Interval] = {
            name: ratio_interval(gains) for name, gains in logs.items() if name != "baseline" and len(gains) > 1
        }
        best = sorted(combined, key=lambda name: -combined[name].value)
        rounds = [row for row in rows if row["what"] == "round"]
        seeds = {(row["search"], row["seed"]): row["share"] for row in rows if row["what"] == "replay"}
        replays: dict[str, list[float]] = {}
        for (search, _), share in seeds.items():
            replays.setdefault(search, []).append(share)
        found[head["task"]] = {
            "techniques": head["techniques"],
            "processor": head["processor"],
            "isa": facts().isa,
            "intervals that hold": held(rows, combined),
            "noise of a block": noise_of(logs),
            "load": [least(row["load"] for row in rows if "load" in row) for least in (min, max)],
            "rounds": len(rounds),
            "seconds of all rounds": math.fsum(row["spent_s"] for row in rounds),
            "combinations": {name: combined[name] for name in best},
            "tunings": [row for row in rows if row["what"] == "tuning"],
            "shares": [{"plan": plan, "share": share, "best": one} for plan, share, one in shares(rows)],
            "replays": {
                search: {
                    "tunings": len(found_shares), "mean": float(np.mean(found_shares)), "worst": min(found_shares),
                    "tenth worst": float(np.quantile(found_shares, 0.1)),
                    "at least 0.95": sum(one >= 0.95 for one in found_shares),
                }
                for search, found_shares in replays.items()
            },
        }  # fmt: skip
        print(f"{head['task']}: {len(rounds)} rounds, blocks vary by {noise_of(logs):.1%}")
        for name in best[:5]:
            print(f"    {name}: {told(combined[name])}")
        for one in found[head["task"]]["shares"]:
            print(f"  tuned: {one['plan']}: {one['share']:.3f} of the speed of {one['best']}")
        print(f"  {msgspec.json.encode(found[head['task']]['replays']).decode()}")
    record("real_power", {"tasks": found})


def append(path: Path, row: Row) -> None:
    """Write a row at the end of the file, and print what is short of it."""
    print({name: value for name, value in row.items() if name not in ("gains", "trials")}, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[Row]:
    """Return the rows of a file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Time, tune, replay or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "tune", "replay", "show"))
    parser.add_argument("task", nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--number", type=int, default=10)
    given = parser.parse_args()
    if given.what == "show":
        show(given.rows)
    elif given.what == "replay":
        replay(given.rows[0], number=given.number)
    elif given.task is None:
        parser.error(f"{given.what} needs a task")
    elif given.what == "tune":
        tune(load_task(given.task, data=given.data), given.rows[0], number=given.number)
    else:
        task = load_task(given.task, data=given.data)
        table(task, given.rows[0], seconds=given.seconds, processor=given.processor)


if __name__ == "__main__":
    main()
