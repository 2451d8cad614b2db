"""Run an ablation: two sides timed in turn, within a budget; a failure leaves the run usable."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Protocol

from hasten.base.errors import HastenError
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.record import Interval
from hasten.base.records.signals import Ablation
from hasten.base.units import seconds
from hasten.data.batch import Batch
from hasten.measurement.paired import LEAST_BLOCK_S, Block, timed_pairs
from hasten.measurement.statistics import ratio_interval, trimmed_mean
from hasten.profiling.best_effort import Reason, or_reason
from hasten.training.session import Session
from hasten.training.step import step

_FEWEST_PAIRS = 3
_MOST_PAIRS = 60
_OVER_BUDGET = 4.0


class Measure(Protocol):
    """Measures one ablation, or returns None where it does not apply."""

    def __call__(self, run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> "Measured | None":
        """Return what was measured."""
        ...


@dataclass(frozen=True)
class Measured:
    """How many times faster the step is without the part."""

    ratio: Interval
    step_s: float
    detail: str = ""


@dataclass(frozen=True)
class Kind:
    """One ablation.

    Args:
        name: as in the record.
        removes: the part, as text.
        measure: does it.
    """

    name: str
    removes: str
    measure: Measure


def run_ablation(kind: Kind, run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Ablation | None:
    """Return what an ablation says, or None where it does not apply; where it fails, the ablation says why.

    Running out of memory is such a failure; it leaves the session usable.
    """
    begin = perf_counter()

    found = or_reason(lambda: kind.measure(run, profile, machine, budget_s=budget_s))
    spent_s = perf_counter() - begin
    if found is None:
        return None
    if isinstance(found, Reason):
        run.optimizer.zero_grad()
        return Ablation(name=kind.name, removes=kind.removes, ratio=None, spent_s=spent_s, failed=found.text)
    return Ablation(
        name=kind.name,
        removes=kind.removes,
        ratio=found.ratio,
        step_s=found.step_s,
        spent_s=spent_s,
        detail=found.detail,
    )


def timed(usual: Block, without: Block, *, step_s: float, budget_s: float, detail: str = "") -> Measured:
    """Time a usual step and one without the part in turn, and return the ratio of their times.

    The number of pairs follows from the clock alone, never from what they show, so that the interval holds.

    Args:
        usual: runs so many usual steps.
        without: runs as many without the part.
        step_s: a usual step, roughly.
        budget_s: seconds; at least three pairs are timed.
        detail: for the record.

    Raises:
        HastenError: if three pairs would take many times the budget.
    """
    usual(1)
    without(1)
    pair_s = _duration_s(usual) + _duration_s(without)  # of one step each
    steps = max(1, math.ceil(LEAST_BLOCK_S / step_s))
    if _FEWEST_PAIRS * (steps + 1) * pair_s > budget_s:
        steps = 1
    if (fewest_s := _FEWEST_PAIRS * (steps + 1) * pair_s) > _OVER_BUDGET * budget_s:
        raise HastenError(f"three pairs would take {seconds(fewest_s)}; the budget is {seconds(budget_s)}")
    begin, pairs = perf_counter(), list[tuple[float, float]]()
    for pair in timed_pairs(usual, without, steps=steps, seed=0):
        pairs.append(pair)
        over = perf_counter() - begin >= budget_s
        if (over and len(pairs) >= _FEWEST_PAIRS) or len(pairs) >= _MOST_PAIRS:
            break
    return Measured(
        ratio=ratio_interval([math.log(a / b) for a, b in pairs]),
        step_s=trimmed_mean([a for a, _ in pairs]) / steps,
        detail=detail,
    )


def _duration_s(block: Block) -> float:
    begin = perf_counter()
    block(1)
    return perf_counter() - begin


def steps_on(run: Session, batches: Iterator[Batch]) -> Block:
    """Return a block that makes steps on the batches that come."""
    return lambda count: _make_steps(run, islice(batches, count))


def steps_on_one(run: Session, batch: Batch) -> Block:
    """Return a block that makes every step on the same batch."""
    return lambda count: _make_steps(run, (batch for _ in range(count)))


def _make_steps(run: Session, batches: Iterable[Batch]) -> None:
    for batch in batches:
        run.set_learning_rate()
        step(run, batch)
    wait(run)


def wait(run: Session) -> None:
    """Return when the device has done all that it was given."""
    run.recipe.device.synchronize()
