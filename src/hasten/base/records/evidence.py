"""Everything that one main job found: what its report is made of."""

from hasten.base.records.history import Outcome
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile, StepAnatomy
from hasten.base.records.record import Interval, Record
from hasten.base.records.run import RunResult, TaskFacts
from hasten.base.records.trial import Tuning


class Evidence(Record, frozen=True):
    """The machine, the step, the experiments, and the trainings with and without the plan.

    `plan_runs` and `baseline_runs` hold the same seeds in the same order. `speedup` is the time of the baseline over
    the time of the plan, paired over the seeds, to equal quality: to `level`, which is the task's target where every
    run reached it, else the best metric that every run reached; through the whole training where the task has no
    target. It is None with fewer than two pairs, where the plan missed a target that the baseline reached on the same
    seed, and where a run diverged.

    `memory` is the peak memory of a step with the plan over that of the baseline, and `quality` the best metric with
    the plan less that of the baseline, paired by seed. Both are None where there are fewer than two pairs. `profile` is
    that of the baseline; `in_turn` has the steps of baseline and plan, timed in turn. `history` has all tunings of this
    task on this machine, this one last.
    """

    hasten: str  # version
    made_at: str  # local time, ISO 8601
    machine: Machine
    task: TaskFacts
    profile: Profile
    tuning: Tuning
    plan: Plan
    plan_text: str
    plan_runs: tuple[RunResult, ...]
    baseline_runs: tuple[RunResult, ...]
    speedup: Interval | None
    level: float | None = None
    memory: Interval | None = None
    quality: Interval | None = None
    in_turn: tuple[StepAnatomy, ...] = ()  # empty where the plan is, or where they could not be timed
    history: tuple[Outcome, ...] = ()
    script: str = ""  # the run as plain PyTorch; empty where it could not be written
    command: str = ""  # as it was typed; empty where the run was started from Python
    remarks: tuple[str, ...] = ()
    threads: int | None = None  # of the trainings, where other work left so few free; None for as many as torch uses


class Reported(Record, frozen=True):
    """Where a report was written."""

    path: str
