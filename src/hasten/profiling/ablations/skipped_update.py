"""Without the optimizer step: real steps against steps that only compute gradients."""

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.profiling.ablations.running import Measured, steps_on, timed
from hasten.profiling.stepping import batches_in_turn, weights_kept
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured:
    """Return how many times faster the step is without its update."""
    usual = steps_on(run, batches_in_turn(run))

    def without(count: int) -> None:
        with weights_kept(run):
            usual(count)

    return timed(usual, without, step_s=profile.step_s.value, budget_s=budget_s)
