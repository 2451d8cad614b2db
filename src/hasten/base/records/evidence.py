"""Everything that one run of the main job found out: what its report is made from."""

from hasten.base.records.interval import Interval
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile
from hasten.base.records.record import Record
from hasten.base.records.run import RunResult, TaskFacts
from hasten.base.records.trial import Tuning


class Evidence(Record, frozen=True):
    """What was measured and what came out; saved as evidence.json in the run folder.

    `plan_runs` and `baseline_runs` are trainings of the same task with and without the plan, in the order of their
    seeds. `speedup` is the time to the target of the baseline over that of the plan, paired over the seeds; None where
    a target was not set, or not reached by every run.
    """

    machine: Machine
    plan: Plan
    task: TaskFacts | None = None
    profile: Profile | None = None
    tuning: Tuning | None = None
    plan_runs: tuple[RunResult, ...] = ()
    baseline_runs: tuple[RunResult, ...] = ()
    speedup: Interval | None = None
    remarks: tuple[str, ...] = ()  # what a reader must know to judge the numbers, in plain words
    version: str = ""  # of hasten
    created: str = ""  # when the run began, ISO 8601
