"""Without data loading: real steps against steps on one cached batch."""

import msgspec

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.profiling.ablations.running import Measured, steps_on, steps_on_one, timed
from hasten.profiling.stepping import batches_in_turn, one_batch
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured:
    """Return how many times faster the step is on a cached batch.

    A loader that works ahead refills its queue during the cached steps, so that the steps timed in turn with them wait
    too little: then those of the real loop take their place.
    """
    cached, loading = one_batch(run), profile.loading
    found = timed(
        steps_on(run, batches_in_turn(run)),
        steps_on_one(run, cached),
        step_s=profile.step_s.value,
        budget_s=budget_s,
    )
    if loading is None or not (loading.ahead or loading.workers):
        return found
    longer, ratio = profile.step_s.value / found.step_s, found.ratio
    ratio = msgspec.structs.replace(ratio, value=longer * ratio.value, low=longer * ratio.low, high=longer * ratio.high)
    return Measured(ratio=ratio, step_s=profile.step_s.value, detail=found.detail)
