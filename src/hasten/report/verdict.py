"""The verdict of a run in one sentence, and the conditions that belong to it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hasten.base.records.evidence import Evidence
from hasten.base.records.record import Interval
from hasten.base.records.run import RunResult, StopReason
from hasten.base.records.trial import Verdict
from hasten.report.wording import faster, goal, is_known, level, plural

_SAME = 1.25
"""Ends of an interval around 1 that differ by less than this factor mean no difference; wider is inconclusive."""


class Tone(StrEnum):
    """Whether the plan is better; it colors the verdict."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgment:
    """The verdict: one sentence, its tone, and the sentences that qualify it."""

    sentence: str
    tone: Tone
    details: tuple[str, ...] = ()


def judge(evidence: Evidence) -> Judgment:
    """Return what the evidence says about the plan against the baseline."""
    if not evidence.plan.choices:
        return _nothing_kept(evidence)
    if not evidence.plan_runs or not evidence.baseline_runs:
        sentence = "No verdict: comparison runs did not finish."
        return Judgment(sentence, Tone.UNKNOWN, _throughput(evidence))
    if diverged(evidence.plan_runs):
        return _diverged(evidence)
    plan, baseline = reached(evidence.plan_runs), reached(evidence.baseline_runs)
    if evidence.plan_runs[0].target is not None and plan < baseline:
        return _missed_target(evidence)
    if evidence.speedup is not None:
        sentence, tone = _measured(evidence.speedup, _where(evidence))
        return Judgment(sentence, tone, (*_conditions(evidence, evidence.speedup), *_throughput(evidence)))
    if len(evidence.plan_runs) == 1 and time_ratio(evidence.baseline_runs[0], evidence.plan_runs[0]) is not None:
        sentence = f"Inconclusive: one pair of trainings{_where(evidence)}; a verdict needs at least two."
        return Judgment(sentence, Tone.UNKNOWN, ("Compare more seeds with --seeds 3.", *_throughput(evidence)))
    return _missed_target(evidence)


def diverged(runs: Sequence[RunResult]) -> int:
    """Return how many of the trainings ended with a loss that is not finite."""
    return sum(run.reason is StopReason.NON_FINITE for run in runs)


def time_ratio(baseline: RunResult, plan: RunResult) -> float | None:
    """Return the baseline's time over the plan's: to the target, or in all where there is none; None if missed."""
    if plan.target is None:
        return baseline.elapsed_s / plan.elapsed_s if plan.elapsed_s else None
    if not baseline.time_to_target_s or not plan.time_to_target_s:
        return None
    return baseline.time_to_target_s / plan.time_to_target_s


def _nothing_kept(evidence: Evidence) -> Judgment:
    trials = evidence.tuning.trials
    counts = Counter(trial.verdict for trial in trials)
    tried = f"{plural(len({trial.technique for trial in trials}), 'technique')} considered"
    outcomes = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    details = [f"{tried}: {outcomes}." if outcomes else f"{tried}."]
    if diverged(evidence.plan_runs):
        sentence = "The baseline diverged: its loss is not finite."
        return Judgment(sentence, Tone.WORSE, tuple(details))
    if counts[Verdict.INCONCLUSIVE]:
        sentence = "Inconclusive: no technique was proven faster within the budget. Keeping the baseline."
        return Judgment(sentence, Tone.UNKNOWN, tuple(details))
    return Judgment("No technique was faster. Keeping the baseline.", Tone.SAME, tuple(details))


def _diverged(evidence: Evidence) -> Judgment:
    runs = evidence.plan_runs
    first = next(run for run in runs if run.reason is StopReason.NON_FINITE)
    sentence = (
        f"The plan diverged in {diverged(runs)} of {plural(len(runs), 'training')}: loss not finite at step "
        f"{first.steps:,}. Train without it."
    )
    return Judgment(sentence, Tone.WORSE, _throughput(evidence))


def _measured(speedup: Interval, where: str) -> tuple[str, Tone]:
    if not is_known(speedup):
        n = plural(speedup.n, "seed")
        return f"Inconclusive: the speed-up{where} has an interval too wide to report, n = {n}.", Tone.UNKNOWN
    finding = faster(speedup, "seed", where=where)
    if speedup.low > 1:
        return f"{finding}.", Tone.BETTER
    if speedup.high < 1:
        return f"Slower: the plan is {finding}. Train without it.", Tone.WORSE
    if speedup.high < _SAME * speedup.low:
        return f"No difference: the plan is {finding}.", Tone.SAME
    return f"Inconclusive: the plan is {finding}.", Tone.UNKNOWN


def _missed_target(evidence: Evidence) -> Judgment:
    first = evidence.plan_runs[0]
    target = goal(first.metric_name, first.target) if first.target is not None else "the end"
    plan, baseline = reached(evidence.plan_runs), reached(evidence.baseline_runs)
    if plan == baseline == 0:
        sentence = f"Neither side reached {target}: no times to compare."
        return Judgment(sentence, Tone.UNKNOWN, _throughput(evidence))
    sentence = (
        f"The plan reached {target} in {plan} of {plural(len(evidence.plan_runs), 'run')}, the baseline in "
        f"{baseline} of {len(evidence.baseline_runs)}: no times to compare."
    )
    tone = Tone.BETTER if plan > baseline else Tone.WORSE if plan < baseline else Tone.UNKNOWN
    return Judgment(sentence, tone, _throughput(evidence))


def reached(runs: Sequence[RunResult]) -> int:
    """Return in how many of the runs the target was reached."""
    return sum(run.time_to_target_s is not None for run in runs)


def _where(evidence: Evidence) -> str:
    run = evidence.plan_runs[0]
    if run.target is None:
        return " over the whole training"
    return f" to {goal(run.metric_name, run.target if evidence.level is None else evidence.level)}"


def _level_reached(evidence: Evidence) -> list[str]:
    """Say at which quality times are compared where a run missed the target, and whether both took equal steps."""
    first, compared_at = evidence.plan_runs[0], evidence.level
    if compared_at is None or first.target is None:
        return []
    said: list[str] = []
    if compared_at != first.target:
        best = goal(first.metric_name, compared_at)
        said.append(
            f"Not every run reached {goal(first.metric_name, first.target)}: compared at {best}, which all did."
        )
    reaching = [
        (plan.reaching(compared_at), plain.reaching(compared_at))
        for plan, plain in zip(evidence.plan_runs, evidence.baseline_runs, strict=True)
    ]
    if all(plan is not None and plain is not None and plan.step == plain.step for plan, plain in reaching):
        said.append("Both sides took the same number of steps to it in every pair: only the time of a step differs.")
    return said


def _conditions(evidence: Evidence, speedup: Interval) -> tuple[str, ...]:
    details = [f"Wall time of whole trainings, evaluations included; {level(speedup)} over paired seeds."]
    pairs = len(evidence.plan_runs)
    if evidence.plan_runs[0].target is None:
        details.append("The task has no target: this compares times, not times to equal quality.")
    elif evidence.level is not None:
        details += _level_reached(evidence)
    elif speedup.n < pairs:
        missed = f"the plan missed it {plural(pairs - reached(evidence.plan_runs), 'time')}"
        details.append(
            f"Only the {speedup.n} of {pairs} pairs in which both sides reached the target count; {missed}, "
            f"the baseline {plural(pairs - reached(evidence.baseline_runs), 'time')}."
        )
    return tuple(details)


def _throughput(evidence: Evidence) -> tuple[str, ...]:
    """Return the speed-up of single steps that tuning measured, which stands beside the time to the target."""
    speedup = evidence.tuning.speedup
    if speedup is None:
        return ()
    return (f"Step time: {faster(speedup, 'pair')}.",)
