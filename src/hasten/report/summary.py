"""Baseline against plan in numbers: what each side took and reached, over its seeds."""

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from hasten.base.records.evidence import Evidence
from hasten.base.records.record import Record
from hasten.base.records.run import RunResult
from hasten.base.units import count, seconds
from hasten.report.verdict import reached
from hasten.report.wording import metric_name, metric_value, whole


class SummaryRow(Record, frozen=True):
    """One quantity on both sides."""

    name: str
    baseline: str
    plan: str  # empty where there is no plan


def summary_rows(evidence: Evidence) -> list[SummaryRow]:
    """Return the rows of the table baseline against plan: medians, with the range where there are several seeds."""
    sides = (evidence.baseline_runs, evidence.plan_runs)
    if not all(sides):
        return []
    first = evidence.plan_runs[0]
    rows: list[SummaryRow] = []
    if first.target is not None:
        rows.append(_row("time to target", *map(_time_to_target, sides)))
        rows.append(_row("target reached", *(f"{reached(side)} of {len(side)}" for side in sides)))
    if any(reached(side) < len(side) for side in sides):
        rows.append(_row("training time", *(_middle([run.elapsed_s for run in side], seconds) for side in sides)))
    rows += [
        _row("steps", *(_middle([run.steps for run in side], lambda steps: whole(round(steps))) for side in sides)),
        _row(f"best {metric_name(first.metric_name)}", *map(_best_metric, sides)),
        _row("samples per second", *(_middle([run.samples_per_s for run in side], count) for side in sides)),
    ]
    return rows if evidence.plan.choices else [msgspec.structs.replace(row, plan="") for row in rows]


def _row(name: str, baseline: str, plan: str) -> SummaryRow:
    return SummaryRow(name=name, baseline=baseline, plan=plan)


def _time_to_target(runs: Sequence[RunResult]) -> str:
    return _middle([run.time_to_target_s for run in runs if run.time_to_target_s is not None], seconds)


def _best_metric(runs: Sequence[RunResult]) -> str:
    values = [run.best_metric for run in runs if run.best_metric is not None]
    return _middle(values, lambda value: metric_value(runs[0].metric_name, value))


def _middle(values: Sequence[float], words: Callable[[float], str]) -> str:
    if not values:
        return "not reached"
    if len(values) == 1:
        return words(values[0])
    return f"{words(median(values))} ({words(min(values))} to {words(max(values))})"
