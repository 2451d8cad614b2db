"""Every technique of the catalog, alone, on one real task: speed, peak memory, proof, and what the loss becomes.

Speed is the paired comparison that tuning makes, per sample, with its interval; it ends as soon as it is certain.
EXACT, ROUNDING and PRECISION techniques owe their numerical gate whether they are faster or not. What changes the
training (TRAJECTORY, MODEL) is trained beside the plain way on a part of the data, for the task's own number of
epochs, from the same seeds: the ratio of the validation losses, paired by seed, has Student's t interval.

The results are written after every row, so that nothing that one technique does loses the others.

    python -m benchmarks.techniques.table fashion-mnist --data DIR [--total-s 600]
"""

import argparse
import math
import signal
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recording import record, told
from benchmarks.training.short_trainings import VALID_SAMPLES, change, cut, last_losses
from hasten.base.errors import Refused
from hasten.base.stages import FREE
from hasten.machine import facts
from hasten.measurement.paired import noise_floor
from hasten.tasks.loading import load_task
from hasten.techniques.applying import apply_all, knobs_of, make
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique
from hasten.tuning.bench import Bench
from hasten.tuning.budget import Budget
from hasten.tuning.context import Laboratory, bench_of, compared, open_laboratory, recipe_with
from hasten.tuning.gates import judge
from hasten.tuning.reference_step import NoReference
from hasten.tuning.state import forget_compiled, many_compilations, untouched

Row = dict[str, object]
COMPARISON_SHARE = 0.6
"""Of the time that a technique has, at most; the rest is for the gate or the trainings."""
LEAST_ROW_S = 6.0
NOISE_S = 10.0
"""That a technique is given, also where those before it took more than their share."""
LONGEST_ROW_S = 150.0
"""Of one technique, compilation included: it is given up then, and its row says so."""


@dataclass(frozen=True)
class Position:
    """Where rows are made: the laboratory, and the short trainings of the plain way.

    Args:
        lab: with the noise measured.
        short: the baseline on a part of the data.
        losses: of the plain trainings, by seed.
        compare_s: seconds for a comparison at most.
    """

    lab: Laboratory
    short: Recipe
    losses: list[float]
    compare_s: float


@contextmanager
def within(limit_s: float) -> Generator[None]:
    """Raise `TimeoutError` in the body once it has taken so long."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"it took more than {limit_s:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measured(place: Position, one: Technique, row: Row, *, budget_s: float) -> None:
    """Put what a technique gives into its row, each thing as it is known."""
    lab, budget, guarantee = place.lab, Budget(budget_s), one.card.guarantee
    bench = bench_of(lab, (one,))
    row["setup_s"] = bench.setup_s
    compare_s = min(place.compare_s, COMPARISON_SHARE * budget_s)
    found = compared(lab, (), (one,), budget_s=compare_s)
    row |= {"verdict": found.verdict, "ratio": found.ratio, "peak_bytes": bench.peak_bytes()}
    if guarantee in FREE:
        try:
            row["gate"] = judge(recipe_with(lab, (one,)), guarantee, lab.reference)
        except NoReference as error:
            row["gate"] = str(error)
    else:
        recipe, training_s = apply_all((one,), place.short, lab.machine), (1 - COMPARISON_SHARE) * budget_s
        mine = last_losses(recipe, seeds=len(place.losses), limit_s=max(budget.left_s(), training_s))
        row |= {"losses": mine, "change": change(mine, place.losses)}


def tried(place: Position, one: Technique, row: Row, *, budget_s: float) -> Row:
    """Return the row of a technique that does not refuse, whatever becomes of it."""
    try:
        with untouched(), many_compilations(), within(LONGEST_ROW_S):
            measured(place, one, row, budget_s=budget_s)
    except Refused as error:
        row |= {"verdict": "refused", "reason": str(error)}
    except Exception as error:  # noqa: BLE001  (the table says which technique broke, and how)
        traceback.print_exc()
        row |= {"verdict": "failed", "reason": f"{type(error).__name__}: {error}"}
    forget_compiled()
    return row


def begun(lab: Laboratory, one: Technique) -> Row:
    """Return the beginning of a technique's row; it says why, if it refuses."""
    card = one.card
    row: Row = {"technique": card.name, "stage": card.stage, "guarantee": card.guarantee, "knobs": knobs_of(one)}
    try:
        with untouched(), within(LONGEST_ROW_S):
            why = one.refuse(lab.recipe, lab.machine)
    except Exception as error:  # noqa: BLE001  (the table says which technique broke, and how)
        return row | {"verdict": "failed", "reason": f"{type(error).__name__}: {error}"}
    return row if why is None else row | {"verdict": "refused", "reason": why}


def line(row: Row, plain_peak: int | None) -> str:
    """Return a row as it is printed."""
    if "reason" in row:
        return f"  {row['technique']:26} {row['verdict']}: {row['reason']}"
    peak, gate, loss = row["peak_bytes"], row.get("gate"), row.get("change")
    memory = f"peak x{peak / plain_peak:.2f}" if peak and plain_peak else "peak unknown"
    said = [gate if isinstance(gate, str) else f"gate {'passed' if gate.passed else 'FAILED'}"] if gate else []
    if "losses" in row:
        said.append(f"loss x{told(loss)}" if loss else "fewer than two trainings ended in time")
    return f"  {row['technique']:26} {told(row['ratio'])}  {memory}  {row['guarantee']}: {', '.join(said)}"


def main() -> None:
    """Try every technique, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--total-s", type=float, default=600.0, help="seconds for all techniques, roughly")
    parser.add_argument("--compare-s", type=float, default=8.0, help="seconds for a comparison at most")
    parser.add_argument("--course-s", type=float, default=4.0, help="about how long a short plain training takes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="results are not kept")
    options = parser.parse_args()
    budget, task = Budget(options.total_s), load_task(options.task, data=options.data)
    recipe = baseline(task)
    lab = open_laboratory(recipe, facts(), budget_s=math.inf)
    with untouched():
        plain = bench_of(lab, ())
        noise = noise_floor(plain, Bench(recipe), budget_s=NOISE_S)
        lab.step_s, lab.smallest = plain.step_s, noise.delta
        short = cut(recipe, steps=round(options.course_s / plain.step_s))
        place = Position(lab, short, last_losses(short, seeds=options.seeds, limit_s=math.inf), options.compare_s)
        plain_peak = plain.peak_bytes()
    samples = len(short.task.data.train)  # type: ignore[arg-type]
    content = {
        "task": task.name, "noise": noise, "step_s": lab.step_s, "batch_size": recipe.input.batch_size,
        "peak_bytes": plain_peak, "short_samples": samples, "valid_samples": VALID_SAMPLES,
        "short_epochs": task.stop.epochs, "plain_losses": place.losses,
    }  # fmt: skip
    print(f"{task.name}: a plain step takes {1e3 * lab.step_s:.2f} ms; its loss after {task.stop.epochs} epochs of "
          f"{samples} samples: {', '.join(f'{loss:.4f}' for loss in place.losses)}", flush=True)  # fmt: skip
    rows = [begun(lab, make(name)) for name in options.only or techniques()]
    waiting = sorted(
        (row for row in rows if "verdict" not in row), key=lambda row: techniques()[str(row["technique"])].card.setup_s
    )
    for number, row in enumerate(waiting):
        budget_s = max(LEAST_ROW_S, budget.left_s() / (len(waiting) - number))
        print(line(tried(place, make(str(row["technique"])), row, budget_s=budget_s), plain_peak), flush=True)
        if not options.only:
            done = [row for row in rows if "verdict" in row]
            path = record(f"technique_table_{task.name}", content | {"rows": done, "complete": len(done) == len(rows)})
    print("\n".join(line(row, plain_peak) for row in rows if row["verdict"] == "refused"))
    if not options.only:
        print(f"{path}, after {budget.spent_s:.0f} s")


if __name__ == "__main__":
    main()
