"""Without reports: the loop with its events against bare steps."""

from itertools import islice

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.profiling.ablations.running import Measured, timed, wait
from hasten.profiling.stepping import batches_in_turn, loop_steps
from hasten.training.loop import step
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured:
    """Return how many times faster the bare steps are than the loop, which here reports after every block.

    Both sides ask the loader anew for every block.
    """

    def with_reports(count: int) -> None:
        loop_steps(run, count)
        wait(run)

    def bare(count: int) -> None:
        for batch in islice(batches_in_turn(run), count):
            run.set_learning_rate()
            step(run, batch)
        wait(run)

    return timed(with_reports, bare, step_s=profile.step_s.value, budget_s=budget_s)
