"""The time that the plan saves on the way to equal quality."""

from statistics import median

from hasten.base.records.evidence import Evidence
from hasten.base.records.record import Record
from hasten.base.units import seconds


class Saved(Record, frozen=True):
    """Seconds to the level on both sides, medians over the seeds, and what lies between them in words."""

    level: float  # of the metric
    baseline_s: float
    plan_s: float
    words: str


def saved_time(evidence: Evidence) -> Saved | None:
    """Return what the plan saves; None without a plan, a target, or a level that every run reached."""
    level = evidence.level
    if not evidence.plan.choices or evidence.task.target is None or level is None:
        return None
    sides = [
        [time_s for run in runs if (time_s := run.seconds_to(level)) is not None]
        for runs in (evidence.baseline_runs, evidence.plan_runs)
    ]
    if len(sides[0]) != len(evidence.baseline_runs) or len(sides[1]) != len(evidence.plan_runs) or not all(sides):
        return None
    before, after = map(median, sides)
    words = f"{seconds(before - after)} saved" if after <= before else f"{seconds(after - before)} lost"
    return Saved(level=level, baseline_s=before, plan_s=after, words=words)
