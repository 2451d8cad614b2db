"""Variance of single steps: outliers, their period, and the share of the garbage collector."""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hasten.base.records.signals import StepSpread
from hasten.measurement.statistics import robust_sigma

_SIGMAS = 5.0
_ABOVE = 1.1  # where all steps are alike, a hair above the median is no outlier
_REGULAR = 0.1
_FOR_A_PERIOD = 4
_TINY = 5.0


@dataclass
class Spent:
    """Seconds that add up."""

    seconds: float = 0.0


@contextmanager
def collector_watched() -> Generator[Spent]:
    """Add up the time that Python's garbage collector takes inside."""
    spent, began = Spent(), 0.0

    def note(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = perf_counter()
        else:
            spent.seconds += perf_counter() - began

    gc.callbacks.append(note)
    try:
        yield spent
    finally:
        gc.callbacks.remove(note)


def step_spread(totals: NDArray[np.float64], *, collector_s: float) -> StepSpread:
    """Return how the times of single steps differ.

    Args:
        totals: seconds of each step, warm.
        collector_s: seconds that the garbage collector took during all of them.
    """
    median = float(np.median(totals))
    slow = np.flatnonzero(totals > max(median + _SIGMAS * robust_sigma(totals), _ABOVE * median))
    wall_s = float(totals.sum())
    return StepSpread(
        median_s=median,
        p99_s=float(np.quantile(totals, 0.99)),
        outliers=int(slow.size),
        period=_period(slow),
        excess_share=float((totals[slow] - median).sum()) / wall_s,
        collector_share=collector_s / wall_s,
    )


def _period(positions: NDArray[np.intp]) -> int | None:
    """Return the usual distance of the positions if most distances are it, to a tenth or, if it is not tiny, to a step.

    A tiny one must be met exactly: between 1 and 3 lie most distances of slow steps that come at random.
    """
    if positions.size < _FOR_A_PERIOD:
        return None
    distances = np.diff(positions)
    usual = float(np.median(distances))
    near = np.abs(distances - usual) <= max(1.0 if usual >= _TINY else 0.0, _REGULAR * usual)
    return round(usual) if usual > 1 and near.mean() > 0.5 else None
