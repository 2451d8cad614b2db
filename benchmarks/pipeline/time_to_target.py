"""What hasten is for: time to a stated validation accuracy, plain PyTorch against the tuned plan.

The baseline is the task as people write it: float32, torch's `DataLoader`, the plain optimizer. hasten tunes twice,
with and without techniques that change the trajectory (one_cycle, batch_size). The three sides are then trained on
the same seeds, in turn, in random order. Tuning is reported apart. Where whole trainings are too long to tune with,
`--cycle` adds one_cycle of that length to the plan: it is then judged by the trainings of this benchmark.

    python -m benchmarks.pipeline.time_to_target digits [--seeds 7] [--budget 60s]
    python -m benchmarks.pipeline.time_to_target fashion-mnist --data DIR [--cycle 0.15]
    python -m benchmarks.pipeline.time_to_target images --name cifar10 --data DIR --target 0.7

With seven seeds, all of them better, chance alone has p = 0.008 (one-sided sign-flip).
"""

import argparse
import math
import random
from dataclasses import replace
from pathlib import Path

from benchmarks.doctor.hurting import sign_flip_p
from benchmarks.recording import ratio, record, told
from hasten import Choice, Plan
from hasten.api import tune
from hasten.base.records.run import RunResult, StopReason
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE
from hasten.machine import facts
from hasten.tasks.loading import load_task
from hasten.techniques.applying import apply_plan
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.running import run_training

PATH = ("one_cycle", "batch_size")
"""Techniques that change the trajectory, tried on top of the free ones."""


def show_trials(item: object) -> None:
    """Print what tuning found."""
    if isinstance(item, Trial) and item.verdict is not Verdict.NOT_ALLOWED:
        print(f"    {item.technique:20} {item.verdict:16} {item.reason}", flush=True)


def time_to_target(result: RunResult) -> float:
    """Return the seconds to the target; infinite where it was not reached."""
    return result.time_to_target_s if result.time_to_target_s is not None else math.inf


def train_all(sides: dict[str, tuple[Recipe, Plan]], seeds: list[int]) -> dict[str, list[RunResult]]:
    """Train every side on every seed, the sides in random order within a seed."""
    results: dict[str, list[RunResult]] = {name: [] for name in sides}
    shuffle = random.Random(0)
    order = list(sides)
    for seed in seeds:
        shuffle.shuffle(order)
        for name in order:
            recipe, plan = sides[name]
            result = run_training(recipe, plan, show=lambda event: None, seed=seed).result
            if result.reason is StopReason.INTERRUPTED:
                raise SystemExit("interrupted: nothing is recorded")
            results[name].append(result)
            print(f"  seed {seed}: {name:9} {time_to_target(result):8.2f} s to {result.metric_name} {result.target}, "
                  f"best {result.best_metric:.4f}, {result.steps} steps", flush=True)  # fmt: skip
    return results


def speedup(results: dict[str, list[RunResult]], side: str, tuning_s: float) -> dict[str, object]:
    """Return baseline time over `side` time, paired by seed, over the seeds in which both reached the target.

    Args:
        results: of all sides.
        side: which of them.
        tuning_s: seconds that finding the plan took, for the ratio of one training with its tuning.
    """
    pairs = zip(results["baseline"], results[side], strict=True)
    times = [(time_to_target(plain), time_to_target(fast)) for plain, fast in pairs]
    both = [(plain, fast) for plain, fast in times if math.isfinite(plain) and math.isfinite(fast)]
    logs = [math.log(plain / fast) for plain, fast in both]
    with_tuning = [math.log(plain / (fast + tuning_s)) for plain, fast in both]
    return {
        "side": side,
        "speedup": ratio(logs) if len(logs) > 1 else None,
        "with_tuning": ratio(with_tuning) if len(logs) > 1 else None,
        "p": sign_flip_p(logs) if logs else 1.0,
        "missed_target": sum(not math.isfinite(fast) for _, fast in times),
        "baseline_missed_target": sum(not math.isfinite(plain) for plain, _ in times),
    }


def main() -> None:
    """Tune, train every side on every seed, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--name", help="of the result, where the task is one for any data")
    parser.add_argument("--target", type=float, help="in place of the task's own")
    parser.add_argument("--evaluate-every", type=int, help="steps, in place of the task's own")
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--budget", help="of the tuning; by default that of `hasten run`")
    parser.add_argument("--path-budget", default="3m")
    parser.add_argument("--cycle", type=float, help="share of one_cycle: judge it by the trainings here, untuned")
    options = parser.parse_args()
    task = load_task(options.task, data=options.data)
    if options.target is not None:
        task = replace(task, stop=replace(task.stop, target=options.target))
    if options.evaluate_every is not None:
        task = replace(task, stop=replace(task.stop, evaluate_every=options.evaluate_every))
    job = options.name or task.name
    machine = facts()
    recipe = baseline(task)
    sides: dict[str, tuple[Recipe, Plan]] = {"baseline": (recipe, Plan(task=task.name))}
    tunings: dict[str, Tuning] = {}
    free = [name for name, kind in techniques().items() if kind.card.guarantee in FREE]
    wanted = (("plan", (), free), ("plan+trajectory", ("trajectory",), [*free, *PATH]))
    for name, allow, only in wanted[:1] if options.cycle else wanted:
        print(f"  tuning {name}", flush=True)
        budget = options.path_budget if allow else options.budget
        tunings[name] = tune(task, budget=budget, allow=allow, only=only, fresh=True, show=show_trials)
        plan = tunings[name].plan
        sides[name] = (apply_plan(plan, recipe, machine), plan)
        print(f"  {name}: {', '.join(plan.names) or 'empty'}; tuned in {tunings[name].spent_s:.0f} s", flush=True)
    if options.cycle:
        cycle = Choice(technique="one_cycle", knobs={"share": options.cycle})
        plan = Plan(task=task.name, choices=(*tunings["plan"].plan.choices, cycle))
        sides["plan+path"] = (apply_plan(plan, recipe, machine), plan)
    results = train_all(sides, [task.seed + 1000 + k for k in range(options.seeds)])
    rows = [speedup(results, name, tunings.get(name, tunings["plan"]).spent_s) for name in sides if name != "baseline"]
    for row in rows:
        said = [told(row[what]) if row[what] else "no interval" for what in ("speedup", "with_tuning")]
        print(f"{job}: {row['side']} is {said[0]} times as fast to the target, p = {row['p']:.3g}; missed it "
              f"{row['missed_target']}x; with its tuning {said[1]}")  # fmt: skip
    content = {"task": job, "target": task.stop.target, "rows": rows, "tunings": tunings, "results": results}
    print(record(f"main_job_{job}", content))


if __name__ == "__main__":
    main()
