"""With another number of threads: steps with each, against steps with the current number."""

import psutil
import torch

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.machine.set_threads import can_put_back, threads_set
from hasten.machine.threads import thread_counts
from hasten.measurement.paired import Block
from hasten.profiling.ablations.running import Measured, steps_on_one, timed
from hasten.profiling.stepping import one_batch
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured | None:
    """Return the best other number of threads and how many times faster the step is with it.

    None on a GPU, where there is no other number, and where MKL's choice of threads could not be put back afterwards.
    """
    usual = torch.get_num_threads()
    logical = psutil.cpu_count(logical=True) or machine.cores
    others = [count for count in thread_counts(cores=machine.cores, threads=usual, logical=logical) if count != usual]
    if not run.recipe.device.is_host or not others or not can_put_back():
        return None
    steps = steps_on_one(run, one_batch(run))
    found = [
        timed(
            steps,
            _with_threads(steps, count),
            step_s=profile.step_s.value,
            budget_s=budget_s / len(others),
            detail=f"{count} thread{'s' if count > 1 else ''}",
        )
        for count in others
    ]
    return max(found, key=lambda one: one.ratio.value)


def _with_threads(steps: Block, count: int) -> Block:
    def block(number: int) -> None:
        with threads_set(count):
            steps(number)

    return block
