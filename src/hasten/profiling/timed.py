"""The real loop, run for a while with marks: the time of each part of each step, and what went on meanwhile."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from hasten.base.errors import BadInput
from hasten.base.records.run import Finished
from hasten.base.records.signals import MachineLoad, StepSpread
from hasten.measurement.clock import StepClock, marks_of, step_times_ns
from hasten.profiling.anatomy import Times, warm
from hasten.profiling.communication import loop_marked
from hasten.profiling.compiling import compiled_graphs
from hasten.profiling.machine_load import load_observed
from hasten.profiling.step_variance import collector_watched, step_spread
from hasten.profiling.stepping import NEVER, set_aside_stop_rules
from hasten.profiling.timeout import TimeLimit
from hasten.training.loop import train
from hasten.training.marks import OTHER, PARTS
from hasten.training.session import Session

_FEWEST_STEPS = 4
_WARM_STEPS = 3


@dataclass(frozen=True)
class TimedSteps:
    """What was seen while the loop ran: `times` are the seconds of each part of each step, (steps, parts)."""

    times: Times
    clock: StepClock
    load: MachineLoad | None
    spread: StepSpread
    compiled: bool
    recompilations: int | None
    remark: str = ""


def timed_steps(run: Session, *, steps: int | None, budget_s: float, limit: TimeLimit) -> TimedSteps:
    """Run the loop without its evaluations.

    Args:
        run: fresh; the stop rules of its task are set aside.
        steps: at most so many; None for as many as the budget allows.
        budget_s: seconds, but at least four steps are made.
        limit: restarted with every sign of life.

    Raises:
        BadInput: if `steps` is below four, or the loss is not finite before so many are made.
    """
    if steps is not None and steps < _FEWEST_STEPS:
        raise BadInput(f"a profile needs at least {_FEWEST_STEPS} steps; found {steps}.")
    most = steps or NEVER
    set_aside_stop_rules(run, evaluate_every=most)
    graphs, remark = [compiled_graphs()], ""
    due: Callable[[], str] = lambda: f"step {run.position.step + 1}"  # noqa: E731
    limit.restart(due)
    with collector_watched() as collector, load_observed() as observed:
        clock = marks_of(run.recipe.device)
        begin = perf_counter()
        with loop_marked(clock.mark) as mark, closing(train(run, mark)) as events:
            for event in events:
                done = run.position.step
                limit.restart(due)
                if len(graphs) == 1 and done >= _WARM_STEPS:
                    graphs.append(compiled_graphs())
                if isinstance(event, Finished):
                    remark = event.detail
                    if done < _FEWEST_STEPS:
                        raise BadInput(f"a profile needs at least {_FEWEST_STEPS} steps; found that {remark}.")
                if (perf_counter() - begin >= budget_s and done >= _FEWEST_STEPS) or done >= most:
                    clock.mark(OTHER)  # the loop says what has happened before it marks the end of the step
                    break
    graphs.append(compiled_graphs())
    times = step_times_ns(clock, parts=len(PARTS), last=OTHER).astype(np.float64) * 1e-9
    measured = warm(times).sum(axis=1)
    return TimedSteps(
        times=times,
        clock=clock,
        load=observed.load,
        spread=step_spread(measured, collector_s=min(collector.seconds, float(measured.sum()))),
        compiled=graphs[-1] > graphs[0],
        recompilations=graphs[-1] - graphs[1] if graphs[-1] > graphs[0] else None,
        remark=remark,
    )
