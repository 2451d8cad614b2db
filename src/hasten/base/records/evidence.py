"""Everything that one main job found: what its report is made of."""

from hasten.base.records.interval import Interval
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile
from hasten.base.records.record import Record
from hasten.base.records.run import RunResult, TaskFacts
from hasten.base.records.trial import Tuning


class Evidence(Record, frozen=True):
    """The machine, the step, the experiments, and the trainings with and without the plan.

    `plan_runs` and `baseline_runs` hold the same seeds in the same order. `speedup` is the time of the baseline over
    the time of the plan, to the target where the task has one, paired over the seeds in which both reached it; None
    where fewer than two pairs did.
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
    remarks: tuple[str, ...] = ()


class Reported(Record, frozen=True):
    """Where a report was written."""

    path: str
