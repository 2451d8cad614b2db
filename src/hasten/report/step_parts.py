"""The parts of a step, with the baseline and with the plan, in time for as many samples."""

from hasten.base.records.evidence import Evidence
from hasten.base.records.profile import Profile, StepAnatomy
from hasten.base.records.record import Record
from hasten.base.units import percent, seconds
from hasten.report.wording import plural, whole

SIDES = ("baseline", "plan")


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
    """Return the step of the baseline, and that of the plan where both were timed in turn."""
    if not evidence.in_turn:
        return (Step(side="baseline", words=_words(evidence.profile)),)
    return tuple(Step(side=side, words=_words(one)) for side, one in zip(SIDES, evidence.in_turn, strict=True))


def part_rows(evidence: Evidence) -> tuple[PartRow, ...]:
    """Return the parts that take any time on either side, in the order of the step; they sum to all wall time.

    Where a step of the plan has another number of samples, its times are scaled to those of the baseline.
    """
    before, after = evidence.in_turn if evidence.in_turn else (evidence.profile, None)
    comparable = after is not None and before.batch_size > 0 and after.batch_size > 0
    scale = before.batch_size / after.batch_size if after is not None and comparable else 1.0
    left, right = ({part.name: part for part in one.parts} if one is not None else {} for one in (before, after))
    found: list[PartRow] = []
    for name in left | right:
        one, other = left.get(name), right.get(name)
        baseline_s = one.seconds if one is not None else 0.0
        plan_s = scale * (other.seconds if other is not None else 0.0) if after is not None else None
        if baseline_s > 0 or (plan_s or 0.0) > 0:
            found.append(
                PartRow(
                    name=name,
                    baseline_s=baseline_s,
                    plan_s=plan_s,
                    baseline=f"{seconds(baseline_s)} ({percent(one.share if one is not None else 0.0)})",
                    plan=""
                    if plan_s is None
                    else f"{seconds(plan_s)} ({percent(other.share if other is not None else 0.0)})",
                )
            )
    return tuple(found)


def _words(found: Profile | StepAnatomy) -> str:
    step, size = found.step_s, found.batch_size
    samples = f" of {plural(size, 'sample')}" if size else ""
    rate = f", {whole(round(size / step.value))} samples per second" if size and step.value > 0 else ""
    return (
        f"{seconds(step.value)} [{seconds(step.low)}, {seconds(step.high)}] for a step{samples}{rate}; "
        f"n = {plural(step.n, 'block')}, {plural(found.steps, 'step')}"
    )
