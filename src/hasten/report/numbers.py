"""The three numbers of a report, each with its interval: time to quality, memory, difference in quality."""

from collections.abc import Sequence
from statistics import geometric_mean, median

from hasten.base.records.evidence import Evidence
from hasten.base.records.profile import StepAnatomy
from hasten.base.records.record import Interval, Record
from hasten.base.records.run import RunResult, StopReason
from hasten.base.units import nbytes, percent, seconds
from hasten.report.wording import bounds, goal, is_known, is_share, metric_name, metric_value, plural, signed, times

_NONE, _UNCLEAR = "not measured", "no difference shown"
_SAME = 0.005
"""Relative difference of memory below which it counts as the same."""


class Number(Record, frozen=True):
    """One quantity on both sides, and how the plan compares; `interval` is empty where it could not be had."""

    name: str
    baseline: str
    plan: str  # empty where there is no plan
    words: str
    interval: str  # "95 % interval 2.10 to 2.50, n = 3 seeds", or why there is none
    value: Interval | None  # a ratio of times or of bytes, or a difference of metrics


def three_numbers(evidence: Evidence) -> tuple[Number, ...]:
    """Return the numbers; without a plan, those of the baseline alone; none where nothing was trained."""
    if not evidence.baseline_runs or not evidence.plan_runs:
        return ()
    return (_time(evidence), _memory(evidence), _quality(evidence))


def _time(evidence: Evidence) -> Number:
    first, level = evidence.baseline_runs[0], evidence.level
    target = first.target if level is None else level
    name = "training time" if first.target is None or target is None else f"time to {goal(first.metric_name, target)}"
    sides = [_middle_time(runs, target) for runs in (evidence.baseline_runs, evidence.plan_runs)]
    found = evidence.speedup
    if not evidence.plan.choices:
        return _alone(name, sides[0], len(evidence.baseline_runs))
    if found is None or not is_known(found):
        return Number(name=name, baseline=sides[0], plan=sides[1], words="not proven", interval=_why(found), value=None)
    words, interval = f"{times(found.value)} {'faster' if found.value >= 1 else 'as fast'}", _interval(found, "seed")
    if found.low <= 1 <= found.high:
        words, interval = _UNCLEAR, f"{times(found.value)}, {interval}"
    return Number(name=name, baseline=sides[0], plan=sides[1], words=words, interval=interval, value=found)


def _memory(evidence: Evidence) -> Number:
    name, found = "peak memory of a step", evidence.memory
    if not evidence.plan.choices:
        return _alone(name, nbytes(evidence.profile.peak_bytes), 0)
    if not evidence.in_turn:
        baseline = nbytes(evidence.profile.peak_bytes)
        return Number(name=name, baseline=baseline, plan=_NONE, words=_NONE, interval="", value=None)
    baseline, plan = map(_middle_peak, evidence.in_turn)
    if found is None:
        interval = "one step on each side, no interval"
        return Number(name=name, baseline=baseline, plan=plan, words="not compared", interval=interval, value=None)
    more, interval = found.value - 1, _interval(found, "step")
    words = "the same" if abs(more) < _SAME else f"{percent(abs(more))} {'more' if more > 0 else 'less'}"
    if abs(more) >= _SAME and found.low <= 1 <= found.high:
        words, interval = _UNCLEAR, f"{words}, {interval}"
    return Number(name=name, baseline=baseline, plan=plan, words=words, interval=interval, value=found)


def _middle_peak(anatomy: StepAnatomy) -> str:
    """Return the peak of a typical step: the geometric mean, as the ratio of both sides is one."""
    peaks = [one for one in anatomy.step_peaks if one > 0]
    return nbytes(round(geometric_mean(peaks))) if peaks else _NONE


def _quality(evidence: Evidence) -> Number:
    first, found = evidence.baseline_runs[0], evidence.quality
    name = f"best {metric_name(first.metric_name)}"
    baseline, plan = (_middle_metric(runs) for runs in (evidence.baseline_runs, evidence.plan_runs))
    if not evidence.plan.choices:
        return _alone(name, baseline, len(evidence.baseline_runs))
    if found is None:
        return Number(name=name, baseline=baseline, plan=plan, words="not compared", interval=_why(None), value=None)
    if found.low <= 0 <= found.high:
        words = _UNCLEAR
    else:
        words = "better" if (found.value > 0) is first.higher_is_better else "worse"
    unit = " points" if is_share(first.metric_name) else ""
    low, value, high = (f"{100 * one:+.2f}" if unit else signed(one) for one in (found.low, found.value, found.high))
    interval = f"{value}{unit}, 95 % interval {low} to {high}, n = {plural(found.n, 'seed')}"
    if all(run.reason is StopReason.TARGET for run in (*evidence.baseline_runs, *evidence.plan_runs)):
        interval = f"{interval}; trainings end at the target"
    return Number(name=name, baseline=baseline, plan=plan, words=words, interval=interval, value=found)


def _alone(name: str, baseline: str, trainings: int) -> Number:
    n = f"n = {plural(trainings, 'training')}" if trainings else ""
    return Number(name=name, baseline=baseline, plan="", words=baseline, interval=n, value=None)


def _interval(found: Interval, counted: str) -> str:
    low, high = bounds(found)[1:-1].split(", ")
    return f"{100 * found.level:.0f} % interval {low} to {high}, n = {plural(found.n, counted)}"


def _why(found: Interval | None) -> str:
    if found is None:
        return "no interval: it takes two pairs of trainings that both got there"
    return f"interval too wide to report, n = {plural(found.n, 'seed')}"


def _middle_time(runs: Sequence[RunResult], level: float | None) -> str:
    found = [time_s for run in runs if (time_s := run.seconds_to(level)) is not None]
    return seconds(median(found)) if len(found) == len(runs) else "not reached"


def _middle_metric(runs: Sequence[RunResult]) -> str:
    found = [run.best_metric for run in runs if run.best_metric is not None]
    return metric_value(runs[0].metric_name, median(found)) if found else "not finite"
