"""Everything that one main job found: what its report is made of."""

from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile
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
    remarks: tuple[str, ...] = ()


class Reported(Record, frozen=True):
    """Where a report was written."""

    path: str
