"""Without fixed overhead: two steps against one with twice the batch size, both without updates."""

import math

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.data.batch import size_of
from hasten.profiling.ablations.running import Measured, steps_on_one, timed
from hasten.profiling.stepping import one_batch, resized, weights_kept
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured | None:
    """Return how many times cheaper a sample is in a batch twice as large; None where that cannot be tried."""
    if profile.one_size:
        return None
    batch = one_batch(run)
    size = size_of(batch)
    largest = profile.memory.largest_batch if profile.memory is not None else None
    if largest is not None and largest < 2 * size < (run.samples or math.inf):
        return None
    single, double = steps_on_one(run, batch), steps_on_one(run, resized(batch, 2 * size))
    with weights_kept(run):
        return timed(
            lambda count: single(2 * count),
            double,
            step_s=2 * profile.step_s.value,
            budget_s=budget_s,
            detail=f"batches of {size} and {2 * size}",
        )
