"""Two plans side by side, as one sentence and as a table: for the terminal, Markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from statistics import median

from hasten.base.records.run import RunResult
from hasten.base.records.side_by_side import Faster, SideBySide
from hasten.base.units import nbytes, seconds
from hasten.report.wording import faster, goal, metric_name, metric_value

Row = tuple[str, str, str]
"""A quantity: its name, of a, of b."""


def sentence(found: SideBySide) -> str:
    """Return the verdict in one sentence."""
    if not found.runs_a:
        return "No verdict: interrupted before the first pair of trainings was complete."
    ratio = f" ({faster(found.speedup, 'seed')})" if found.speedup is not None else ""
    words = {
        Faster.FASTER: f"{found.b} is faster than {found.a}",
        Faster.SLOWER: f"{found.b} is slower than {found.a}",
        Faster.NO_DIFFERENCE: f"no difference between {found.a} and {found.b}",
        Faster.NOT_PROVEN: f"not proven that {found.a} and {found.b} differ in speed",
    }[found.verdict]
    remark = f" {found.remark.replace('b missed', f'{found.b} missed').replace('where a ', f'where {found.a} ')}"
    return f"{words}{ratio}, in time to {_quality(found)}.{_missed(found)}{remark if found.remark else ''}"


def rows(found: SideBySide) -> list[Row]:
    """Return the table: time, quality and memory of both sides."""
    a, b = found.runs_a, found.runs_b
    made: list[Row] = [("time, median", _median_time(a), _median_time(b))]
    if found.level is not None:
        made.append((f"time to {_quality(found)}, median", _median_to(a, found.level), _median_to(b, found.level)))
    made.append(("best metric, median", _median_best(a), _median_best(b)))
    made.append(("peak memory of a step", _bytes(found.peak_bytes_a), _bytes(found.peak_bytes_b)))
    made.append(("trainings", str(len(a)), str(len(b))))
    return made


def as_markdown(found: SideBySide) -> str:
    """Return the table and the sentence as Markdown."""
    lines = [f"| {found.task} | {found.a} | {found.b} |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows(found)), "", sentence(found)]) + "\n"


def as_csv(found: SideBySide) -> str:
    """Return one line for each training: side, seed, seconds, seconds to equal quality, best metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("task", "side", "seed", "seconds", "seconds_to_equal_quality", "best_metric"))
    for name, runs in ((found.a, found.runs_a), (found.b, found.runs_b)):
        for run in runs:
            writer.writerow((found.task, name, run.seed, run.elapsed_s, _time_to(run, found.level), run.best_metric))
    return text.getvalue()


def _quality(found: SideBySide) -> str:
    if found.level is None or not found.runs_a:
        return "the end of the training"
    run = found.runs_a[0]
    return goal(metric_name(run.metric_name), found.level)


def _missed(found: SideBySide) -> str:
    run = found.runs_a[0]
    if run.target is None or found.level in (None, run.target):
        return ""
    return f" Not every training reached {goal(metric_name(run.metric_name), run.target)}: this is what all reached."


def _time_to(run: RunResult, level: float | None) -> float | None:
    if level is None:
        return run.elapsed_s
    reached = run.reaching(level)
    return None if reached is None else reached.elapsed_s


def _median_time(runs: Sequence[RunResult]) -> str:
    return seconds(median(run.elapsed_s for run in runs)) if runs else "-"


def _median_to(runs: Sequence[RunResult], level: float) -> str:
    times = [time_s for run in runs if (time_s := _time_to(run, level)) is not None]
    return seconds(median(times)) if runs and len(times) == len(runs) else "not reached"


def _median_best(runs: Sequence[RunResult]) -> str:
    best = [run.best_metric for run in runs if run.best_metric is not None]
    return metric_value(runs[0].metric_name, median(best)) if best else "-"


def _bytes(count: int | None) -> str:
    return "not measured" if count is None else nbytes(count)
