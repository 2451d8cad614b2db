"""Any two plans for one task, compared by whole trainings from the same seeds."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.records.record import Interval
from hasten.base.records.run import RunResult
from hasten.base.records.side_by_side import Faster, SideBySide, Turn
from hasten.base.units import plural
from hasten.measurement.paired import LEAST_DELTA
from hasten.pipeline.comparing import Pair, Train, equal_quality, here, in_pairs, paired_speedup
from hasten.pipeline.other_python import elsewhere
from hasten.techniques.applying import apply_plan
from hasten.training.recipe import Recipe
from hasten.training.running import Show
from hasten.tuning.bench import Bench
from hasten.tuning.state import untouched

SEEDS = 5


@dataclass(frozen=True)
class Side:
    """One side: its name, its plan, and the Python that trains it; None for this process."""

    name: str
    plan: Plan
    python: Path | None = None


def side_by_side(
    recipe: Recipe,
    machine: Machine,
    a: Side,
    b: Side,
    *,
    seeds: int = SEEDS,
    words: Sequence[str] = (),
    show: Show,
) -> SideBySide:
    """Train two plans from the same seeds and say which one reaches equal quality sooner.

    Args:
        recipe: the baseline.
        machine: what it runs on.
        a: the side that b is compared with.
        b: the other side.
        seeds: pairs of trainings.
        words: the task as it is typed after `hasten train`, for another Python.
        show: called with every event and result.

    Raises:
        Refused: if a technique cannot be used here.
        TrainingFailed: if a training fails.
    """
    if a.plan.choices == b.plan.choices and a.python == b.python:
        show(Note(text=f"{a.name} and {b.name} are the same plan: what differs below is chance."))
    trains, peaks = list[Train](), list[int | None]()
    apart = a.python is not None or b.python is not None  # then both are, so that both start alike
    for one in (a, b):
        if apart:
            peaks.append(None)
            trains.append(elsewhere(one.python or Path(sys.executable), one.plan, recipe.task, words))
        else:
            planned = apply_plan(one.plan, recipe, machine)
            peaks.append(_peak_bytes(planned))
            trains.append(here(planned, one.plan, show))
    names = (a.name, b.name)
    sides = {
        "baseline": _announced(trains[0], Turn(name=a.name, sides=names), show),
        "plan": _announced(trains[1], Turn(name=b.name, sides=names), show),
    }
    compared = in_pairs(sides, {}, seed=recipe.task.seed, seeds=seeds, show=show)
    speedup, verdict, remark = judged(compared.pairs)
    if compared.interrupted_by is not None:
        remark = f"{remark} Interrupted after {plural(len(compared.pairs), 'pair')}.".strip()
    return SideBySide(
        task=recipe.task.name,
        a=a.name,
        b=b.name,
        runs_a=tuple(one for _, one in compared.pairs),
        runs_b=tuple(one for one, _ in compared.pairs),
        verdict=verdict,
        speedup=speedup,
        level=equal_quality(compared.pairs) if compared.pairs else None,
        peak_bytes_a=peaks[0],
        peak_bytes_b=peaks[1],
        remark=remark,
        interrupted_by=compared.interrupted_by,
    )


def _announced(train: Train, turn: Turn, show: Show) -> Train:
    """Return a training before which it is shown whose turn it is."""

    def announced(seed: int) -> tuple[RunResult, int | None]:
        show(turn)
        return train(seed)

    return announced


def judged(pairs: Sequence[Pair]) -> tuple[Interval | None, Faster, str]:
    """Return how many times faster b is than a to equal quality, the verdict, and what else there is to say.

    Args:
        pairs: (b, a) of each seed.
    """
    if not pairs:
        return None, Faster.NOT_PROVEN, ""
    missed_b = sum(_missed(b) and not _missed(a) for b, a in pairs)
    if missed_b:
        return (
            None,
            Faster.SLOWER,
            f"b missed the target on {missed_b} of {plural(len(pairs), 'seed')}, where a reached it.",
        )
    found = paired_speedup(pairs)
    if found is None:
        few = (
            "One pair of trainings has no interval."
            if len(pairs) == 1
            else "There is no quality that all runs reached."
        )
        return None, Faster.NOT_PROVEN, few
    if found.low > 1 + LEAST_DELTA or (found.low > 1 and found.value > 1 + LEAST_DELTA):
        return found, Faster.FASTER, ""
    if found.high < 1 and found.value < 1 / (1 + LEAST_DELTA):
        return found, Faster.SLOWER, ""
    if found.low > 1 / (1 + LEAST_DELTA) and found.high < 1 + LEAST_DELTA:
        return found, Faster.NO_DIFFERENCE, ""
    return found, Faster.NOT_PROVEN, ""


def is_slower_by(found: SideBySide, share: float) -> bool:
    """Return whether b surely takes more than that share longer than a to equal quality, or does not reach it."""
    if found.speedup is None:
        return found.verdict is Faster.SLOWER
    return found.speedup.high < 1 / (1 + share)


def _missed(run: RunResult) -> bool:
    return run.target is not None and run.time_to_target_s is None


def _peak_bytes(recipe: Recipe) -> int | None:
    with untouched():
        return Bench(recipe).peak_bytes()
