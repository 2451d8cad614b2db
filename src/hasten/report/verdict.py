"""The verdict of a run in one plain sentence, and what has to be said beside it."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from hasten.base.records.evidence import Evidence
from hasten.base.records.interval import Interval
from hasten.base.records.run import RunResult
from hasten.base.records.trial import Verdict
from hasten.report.wording import as_fast, goal, level, plural, times


class Tone(StrEnum):
    """How the verdict is to be taken."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgment:
    """What a run came to: one sentence, how to take it, and the sentences that qualify it."""

    sentence: str
    tone: Tone
    details: tuple[str, ...] = ()


def judge(evidence: Evidence) -> Judgment:
    """Return what the evidence says about the plan against the baseline."""
    if not evidence.plan.choices:
        return _nothing_kept(evidence)
    if not evidence.plan_runs or not evidence.baseline_runs:
        sentence = "There is no verdict: the trainings to compare did not come to their end."
        return Judgment(sentence, Tone.UNKNOWN, _throughput(evidence))
    if evidence.speedup is not None:
        sentence, tone = _measured(evidence.speedup, _where(evidence.plan_runs[0]))
        return Judgment(sentence, tone, (*_conditions(evidence, evidence.speedup), *_throughput(evidence)))
    ratios = [ratio for ratio in map(time_ratio, evidence.baseline_runs, evidence.plan_runs) if ratio is not None]
    if ratios:
        where = _where(evidence.plan_runs[0])
        sentence = f"{times(ratios[0])} as fast{where}, but with one seed: an indication, not yet a proof."
        return Judgment(sentence, Tone.UNKNOWN, ("Compare more seeds with --seeds 3.", *_throughput(evidence)))
    return _not_reached(evidence)


def time_ratio(baseline: RunResult, plan: RunResult) -> float | None:
    """Return the baseline's time over the plan's: to the target, or in all where there is none; None if missed."""
    if plan.target is None:
        return baseline.elapsed_s / plan.elapsed_s
    if baseline.time_to_target_s is None or plan.time_to_target_s is None:
        return None
    return baseline.time_to_target_s / plan.time_to_target_s


def _nothing_kept(evidence: Evidence) -> Judgment:
    trials = evidence.tuning.trials
    counts = Counter(trial.verdict for trial in trials)
    tried = f"{plural(len({trial.technique for trial in trials}), 'technique')} looked at"
    outcomes = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    details = [f"{tried}: {outcomes}. Each one's reason stands beside its name." if outcomes else f"{tried}."]
    if evidence.plan_runs and evidence.baseline_runs:
        details.append("Both sides were the plain training here: what differs between their times is noise.")
    if counts[Verdict.INCONCLUSIVE]:
        sentence = "No technique was proven to help within the budget: the plain training stays."
        return Judgment(sentence, Tone.UNKNOWN, tuple(details))
    return Judgment("No technique helped: the plain training stays.", Tone.SAME, tuple(details))


def _measured(speedup: Interval, where: str) -> tuple[str, Tone]:
    finding = as_fast(speedup, "seed", where=where)
    if speedup.low > 1:
        return f"{finding}.", Tone.BETTER
    if speedup.high < 1:
        return f"Slower: with the plan only {finding}. Train without it.", Tone.WORSE
    return f"No difference proven: with the plan {finding}.", Tone.SAME


def _not_reached(evidence: Evidence) -> Judgment:
    first = evidence.plan_runs[0]
    target = goal(first.metric_name, first.target) if first.target is not None else "the end"
    plan, baseline = reached(evidence.plan_runs), reached(evidence.baseline_runs)
    if plan == baseline == 0:
        sentence = f"Neither side reached {target}, so there are no times to compare."
        return Judgment(sentence, Tone.UNKNOWN, _throughput(evidence))
    sentence = (
        f"No times to compare: {target} was reached by the plan in {plan} of {plural(len(evidence.plan_runs), 'run')}, "
        f"by the baseline in {baseline} of {len(evidence.baseline_runs)}."
    )
    tone = Tone.BETTER if plan > baseline else Tone.WORSE if plan < baseline else Tone.UNKNOWN
    return Judgment(sentence, tone, _throughput(evidence))


def reached(runs: tuple[RunResult, ...]) -> int:
    """Return in how many of the runs the target was reached."""
    return sum(run.time_to_target_s is not None for run in runs)


def _where(run: RunResult) -> str:
    return f" to {goal(run.metric_name, run.target)}" if run.target is not None else " through the whole training"


def _conditions(evidence: Evidence, speedup: Interval) -> tuple[str, ...]:
    details = [f"Wall time of the whole training, evaluations included; {level(speedup)} over paired seeds."]
    pairs = len(evidence.plan_runs)
    if evidence.plan_runs[0].target is None:
        details.append("The task has no target: this compares times, not times to equal quality.")
    elif speedup.n < pairs:
        missed = f"the plan missed it {plural(pairs - reached(evidence.plan_runs), 'time')}"
        details.append(
            f"Only the {speedup.n} of {pairs} pairs count in which both sides reached the target; {missed}, "
            f"the baseline {plural(pairs - reached(evidence.baseline_runs), 'time')}."
        )
    return tuple(details)


def _throughput(evidence: Evidence) -> tuple[str, ...]:
    """Return what tuning measured of the steps alone, which stands beside the time to the target."""
    speedup = evidence.tuning.speedup
    if speedup is None:
        return ()
    return (f"Step by step, the plan is {as_fast(speedup, 'pair')}.",)
