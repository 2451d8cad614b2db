"""Without data loading: real steps against steps on one cached batch."""

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.profiling.ablations.running import Measured, steps_on, steps_on_one, timed
from hasten.profiling.stepping import batches_in_turn, one_batch
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured:
    """Return how many times faster the step is on a cached batch."""
    cached = one_batch(run)
    return timed(
        steps_on(run, batches_in_turn(run)),
        steps_on_one(run, cached),
        step_s=profile.step_s.value,
        budget_s=budget_s,
    )
