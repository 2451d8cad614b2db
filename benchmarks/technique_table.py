"""Every technique of the catalogue, alone, on one real task: speed, peak memory, proof, or what it costs in quality.

Speed is the paired comparison that tuning makes, with its interval. EXACT, ROUNDING and PRECISION techniques owe their
numerical gate whether they are faster or not; PATH and MODEL techniques are trained beside the baseline for as many
steps, on the same seeds, and what the metric loses or gains is set beside the spread of the baseline's own seeds.

    python benchmarks/technique_table.py fashion-mnist --data DIR [--compare-s 4] [--course-s 5] [--seeds 2]
"""

import argparse
import traceback
from pathlib import Path
from statistics import mean, stdev

from hasten.base.errors import Refused
from hasten.base.stages import FREE
from hasten.machine import facts
from hasten.tasks.loading import load_task
from hasten.techniques.applying import apply_all, knobs_of, make
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique
from hasten.tuning.course import run_course, shortened
from hasten.tuning.gates import judge
from hasten.tuning.laboratory import Laboratory, bench_of, compared, measured_noise, open_laboratory, recipe_with
from hasten.tuning.payback import planned_s
from hasten.tuning.probe import NoReference
from hasten.tuning.state import forget_compiled, many_compilations, untouched

from recording import record, told

Row = dict[str, object]
LONGEST_S = 120.0
"""Of one training: where a technique makes steps so slow that it takes longer, that is what the row says."""


def last_metrics(recipe: Recipe, seeds: int) -> list[float]:
    """Return the metric at the end of a training from each seed; empty if one did not end in time."""
    courses = [run_course(recipe, seed=seed, limit_s=LONGEST_S) for seed in range(seeds)]
    return [course.points[-1][1] for course in courses] if all(course.ended for course in courses) else []


def measured(lab: Laboratory, one: Technique, options: argparse.Namespace, short: Recipe, ends: list[float]) -> Row:
    """Return the row of a technique that does not refuse."""
    found = compared(lab, (), (one,), budget_s=options.compare_s)
    bench = bench_of(lab, (one,))
    row: Row = {
        "verdict": found.verdict,
        "ratio": found.ratio,
        "setup_s": bench.setup_s,
        "peak_bytes": bench.peak_bytes(),
    }
    if one.card.guarantee in FREE:
        try:
            row["gate"] = judge(recipe_with(lab, (one,)), one.card.guarantee, lab.reference)
        except NoReference as error:
            row["gate"] = str(error)
        return row
    mine = last_metrics(apply_all((one,), short, lab.machine), options.seeds)
    return row | {"metrics": mine, "change": mean(mine) - mean(ends[: len(mine)]) if mine else None}


def tried(lab: Laboratory, one: Technique, options: argparse.Namespace, short: Recipe, ends: list[float]) -> Row:
    """Return the row of a technique, whatever becomes of it."""
    card = one.card
    row: Row = {"technique": card.name, "stage": card.stage, "guarantee": card.guarantee, "knobs": knobs_of(one)}
    why = one.refuse(lab.recipe, lab.machine)
    if why is not None:
        return row | {"verdict": "refused", "reason": why}
    try:
        with untouched(), many_compilations():
            return row | measured(lab, one, options, short, ends)
    except Refused as error:
        return row | {"verdict": "refused", "reason": str(error)}
    except Exception as error:  # noqa: BLE001  (the table says which technique broke, and how)
        traceback.print_exc()
        return row | {"verdict": "failed", "reason": f"{type(error).__name__}: {error}"}


def line(row: Row, plain_peak: int | None) -> str:
    """Return a row as it is printed."""
    if "ratio" not in row:
        return f"  {row['technique']:26} {row['verdict']}: {row['reason']}"
    peak, gate = row["peak_bytes"], row.get("gate")
    memory = f"peak x{peak / plain_peak:.2f}" if peak and plain_peak else "peak unknown"
    if gate is None:
        quality = "did not end in time" if row["change"] is None else f"metric {row['change']:+.4f}"
    else:
        quality = gate if isinstance(gate, str) else f"gate {'passed' if gate.passed else 'FAILED'}"
    return f"  {row['technique']:26} {told(row['ratio'])}  {memory}  {row['guarantee']}: {quality}"


def main() -> None:
    """Try every technique, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--compare-s", type=float, default=4.0)
    parser.add_argument("--course-s", type=float, default=5.0, help="about how long a training of the baseline takes")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="results are not kept")
    options = parser.parse_args()
    task = load_task(options.task, data=options.data)
    recipe = baseline(task)
    lab = open_laboratory(recipe, facts(), budget_s=1e6)
    with untouched():
        noise = measured_noise(lab)
        plain = bench_of(lab, ())
        share = min(1.0, options.course_s / planned_s(recipe, plain.step_s))
        short = shortened(recipe, share)
        ends = last_metrics(short, max(2, options.seeds))
        plain_peak = plain.peak_bytes()
    print(f"{task.name}: a plain step takes {1e3 * lab.step_s:.2f} ms; {task.metric} after {share:.1%} of the steps: "
          f"{mean(ends):.4f}, standard deviation over seeds {stdev(ends):.4f}")  # fmt: skip
    rows: list[Row] = []
    for name in options.only or techniques():
        rows.append(tried(lab, make(name), options, short, ends))
        print(line(rows[-1], plain_peak), flush=True)
        forget_compiled()
    content = {
        "task": task.name, "metric": task.metric, "noise": noise, "step_s": lab.step_s, "peak_bytes": plain_peak,
        "share_of_steps": share, "baseline_metrics": ends, "rows": rows,
    }  # fmt: skip
    if not options.only:
        print(record(f"technique_table_{task.name}", content))


if __name__ == "__main__":
    main()
