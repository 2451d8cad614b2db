"""What if nothing were told: the loop with its reports against the bare steps."""

from itertools import islice

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.profiling.probes.running import Measured, timed, wait
from hasten.profiling.stepping import batches_in_turn
from hasten.training.loop import INPUT, step, train
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured:
    """Return how many times faster the bare steps are than the loop, which here reports after every block.

    Both sides ask the loader anew for every block.
    """

    def with_reports(count: int) -> None:
        started = 0

        def mark(part: int) -> None:
            nonlocal started
            started += part == INPUT
            if started == count:
                run.interrupted_by = 0  # no signal; the loop looks at it at the end of this step

        for _ in train(run, mark):
            pass
        run.interrupted_by = None
        wait(run)

    def bare(count: int) -> None:
        for batch in islice(batches_in_turn(run), count):
            run.set_learning_rate()
            step(run, batch)
        wait(run)

    return timed(with_reports, bare, step_s=profile.step_s.value, budget_s=budget_s)
