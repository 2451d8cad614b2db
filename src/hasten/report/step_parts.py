"""The parts of a step, with the baseline and with the plan, in time for as many samples."""

from hasten.base.records.evidence import Evidence
from hasten.base.records.profile import Profile
from hasten.base.records.record import Record
from hasten.base.units import percent, seconds
from hasten.report.wording import plural, whole


class Step(Record, frozen=True):
    """A step as it was timed: which side, and what is known of it in a sentence."""

    side: str
    words: str


class PartRow(Record, frozen=True):
    """One part: seconds on both sides for the samples of one step of the baseline; None where there is no plan."""

    name: str
    baseline_s: float
    plan_s: float | None
    baseline: str
    plan: str


def steps(evidence: Evidence) -> tuple[Step, ...]:
    """Return the step of the baseline, and that of the plan where it was profiled."""
    found = [Step(side="baseline", words=_words(evidence.profile))]
    if evidence.plan_profile is not None:
        found.append(Step(side="plan", words=_words(evidence.plan_profile)))
    return tuple(found)


def part_rows(evidence: Evidence) -> tuple[PartRow, ...]:
    """Return the parts that take any time on either side, in the order of the step; they sum to all wall time.

    Where a step of the plan has another number of samples, its times are scaled to those of the baseline.
    """
    before, after = evidence.profile, evidence.plan_profile
    comparable = after is not None and before.batch_size > 0 and after.batch_size > 0
    scale = before.batch_size / after.batch_size if after is not None and comparable else 1.0
    found: list[PartRow] = []
    for name in dict.fromkeys(part.name for profile in (before, after) if profile for part in profile.parts):
        baseline_s = before.seconds(name)
        plan_s = after.seconds(name) * scale if after is not None else None
        if baseline_s > 0 or (plan_s or 0.0) > 0:
            found.append(
                PartRow(
                    name=name,
                    baseline_s=baseline_s,
                    plan_s=plan_s,
                    baseline=f"{seconds(baseline_s)} ({percent(before.share(name))})",
                    plan=f"{seconds(plan_s)} ({percent(after.share(name))})" if after and plan_s is not None else "",
                )
            )
    return tuple(found)


def _words(profile: Profile) -> str:
    step = profile.step_s
    samples = f" of {plural(profile.batch_size, 'sample')}" if profile.batch_size else ""
    rate = f", {whole(round(profile.samples_per_s))} samples per second" if profile.batch_size else ""
    return (
        f"{seconds(step.value)} [{seconds(step.low)}, {seconds(step.high)}] for a step{samples}{rate}; "
        f"n = {step.n} blocks of {plural(profile.steps, 'step')}"
    )
