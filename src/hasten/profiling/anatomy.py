"""From the times of single steps to the anatomy of the typical one."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.records.record import Interval
from hasten.measurement.statistics import TRIMMED_SHARE, interval_of

Times = NDArray[np.float64]

_BLOCKS = 30
_WARM_STEPS = 3
_WARM_SHARE = 0.1


@dataclass(frozen=True)
class Anatomy:
    """The typical step: what it takes in all, and in each part; the parts sum to the step.

    `hiccups_s` is what the mean step takes beyond the typical one.
    """

    step_s: Interval
    parts_s: tuple[float, ...]
    hiccups_s: float
    steps: int


def warm(times: Times) -> Times:
    """Return the steps after the first three and the first tenth of the time, but at least half of them."""
    totals = times.sum(axis=1)
    passed = np.cumsum(totals) - totals[0]  # the first step may have compiled for minutes
    early = int(np.searchsorted(passed, _WARM_SHARE * passed[-1]))
    return times[min(max(early, _WARM_STEPS), len(times) // 2) :]


def anatomy(times: Times) -> Anatomy:
    """Return the typical step of a run.

    Consecutive steps make up to 30 blocks, so that waits every few steps are averaged within each. Typical are the
    middle 60 % of the blocks: a burst of load from elsewhere affects a block, not the anatomy. The parts are means over
    the same blocks as the trimmed mean of the step, so they sum to it.

    Args:
        times: (steps, parts) seconds, warm.

    Raises:
        BadInput: if there are fewer than 2 steps.
    """
    if len(times) < 2:
        raise BadInput(f"an anatomy needs at least 2 steps after warm-up; found {len(times)}. Allow more time.")
    size = -(-len(times) // _BLOCKS)
    whole = len(times) // size
    blocks = times[: whole * size].reshape(whole, size, -1).mean(axis=1)
    totals = blocks.sum(axis=1)
    cut = int(TRIMMED_SHARE * whole)
    middle = np.argsort(totals, kind="stable")[cut : whole - cut]
    found = interval_of(totals)
    step_s = msgspec.structs.replace(found, low=max(found.low, 0.0))  # that of a few blocks may reach below
    return Anatomy(
        step_s=step_s,
        parts_s=tuple(blocks[middle].mean(axis=0).tolist()),
        hiccups_s=max(0.0, float(times.sum(axis=1).mean()) - step_s.value),
        steps=len(times),
    )


def shares(seconds: Sequence[float]) -> list[float]:
    """Return each of the times as a share of their sum."""
    total = sum(seconds)
    return [value / total for value in seconds]
