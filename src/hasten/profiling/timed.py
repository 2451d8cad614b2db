"""Run the real loop for a while: the time of each part of each step, and the load of the machine meanwhile."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

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
        steps: the most to make; None for as many as the budget allows.
        budget_s: seconds, but at least four steps are made.
        limit: restarted with every event.

    Raises:
        BadInput: if `steps` is below four, or the loss is not finite before the fourth.
    """
    if steps is not None and steps < _FEWEST_STEPS:
        raise BadInput(f"a profile needs at least {_FEWEST_STEPS} steps; found {steps}.")
    most = steps or NEVER
    set_aside_stop_rules(run, evaluate_every=most)
    graphs_before = compiled_graphs()
    with collector_watched() as collector, load_observed() as observed:
        clock = marks_of(run.recipe.device)
        ended = _run_loop(run, clock, most=most, budget_s=budget_s, limit=limit)
    graphs = compiled_graphs()
    times = step_times_ns(clock, parts=len(PARTS), last=OTHER).astype(np.float64) * 1e-9
    measured = warm(times).sum(axis=1)
    return TimedSteps(
        times=times,
        clock=clock,
        load=observed.load,
        spread=step_spread(measured, collector_s=min(collector.seconds, float(measured.sum()))),
        compiled=graphs > graphs_before,
        recompilations=graphs - (ended.warm_graphs or 0) if graphs > graphs_before else None,
        remark=ended.remark,
    )


@dataclass
class _Ended:
    """How the loop ended: graphs compiled until it was warm, and why it stopped early, if it did."""

    warm_graphs: int | None = None
    remark: str = ""


def _run_loop(run: Session, clock: StepClock, *, most: int, budget_s: float, limit: TimeLimit) -> _Ended:
    """Run the loop for `budget_s` seconds and at least four steps, or until `most` steps are made."""
    ended = _Ended()
    due: Callable[[], str] = lambda: f"step {run.position.step + 1}"  # noqa: E731
    limit.restart(due)
    with loop_marked(clock.mark) as mark, closing(train(run, mark)) as events:
        for event in events:
            limit.restart(due)
            done = run.position.step
            if ended.warm_graphs is None and done >= _WARM_STEPS:
                ended.warm_graphs = compiled_graphs()
            if isinstance(event, Finished):
                ended.remark = event.detail
                if done < _FEWEST_STEPS:
                    raise BadInput(f"a profile needs at least {_FEWEST_STEPS} steps; found that {event.detail}.")
            # by the run's own clock, on which processes that train together agree
            if done >= most or (done >= _FEWEST_STEPS and run.position.elapsed_s >= budget_s):
                clock.mark(OTHER)  # the loop yields before it marks the end of the step
                break
    return ended
