"""From records to the figures of the report, each drawn for a wide page and for a narrow one."""

from collections.abc import Callable
from dataclasses import dataclass

from hasten.base.records.evidence import Evidence
from hasten.base.records.profile import Profile
from hasten.base.records.run import Evaluation, RunResult
from hasten.base.records.trial import Trial, Tuning
from hasten.base.units import count, percent, seconds
from hasten.report.charts.bars import Part, stacked_bar
from hasten.report.charts.curves import Axes, Curve, Point, curve_chart
from hasten.report.charts.intervals import Ratio, forest_plot
from hasten.report.charts.memory import PartBytes, memory_bars
from hasten.report.charts.roofline import LayerPoint, roofline_plot
from hasten.report.charts.scale import tick_words
from hasten.report.wording import goal, ratio

WIDE, NARROW = 860.0, 340.0
_HALF = 420.0
_CURVE_HEIGHT = 250.0
_TIME_UNITS = ((10_800.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.5, 1.0, "s"), (0.0, 1e-3, "ms"))

Read = Callable[[Evaluation], float | None]


@dataclass(frozen=True)
class Figure:
    """One chart, as SVG for a wide page and for a narrow one."""

    wide: str
    narrow: str


def anatomy_figure(profile: Profile) -> Figure:
    """Return the parts of a step as one bar."""
    parts = [Part(part.name, part.share, seconds(part.seconds)) for part in profile.parts]
    label = "parts of a training step by their share of the time"
    return Figure(
        stacked_bar(parts, width=WIDE, label=label),
        stacked_bar(parts, width=NARROW, label=label),
    )


def roofline_figure(profile: Profile) -> Figure | None:
    """Return the layers under the machine's limits; None where none of them was counted and timed."""
    roofline = profile.roofline
    if roofline is None:
        return None
    total_s = sum(layer.measured_s or 0.0 for layer in roofline.layers)
    points = [
        LayerPoint(
            name=layer.name,
            intensity=layer.intensity,
            flops_per_s=layer.flops_per_s,
            share=layer.measured_s / total_s,
            words=f"{layer.name}: {count(layer.flops_per_s, 'FLOP/s')} at {layer.intensity:.3g} FLOP per byte, "
            f"{seconds(layer.measured_s)}, {percent(layer.measured_s / total_s)} of the operators' time",
        )
        for layer in roofline.layers
        if layer.flops_per_s and layer.measured_s and layer.intensity
    ]
    if not points:
        return None

    def draw(width: float) -> str:
        peaks = {"peak_flops": roofline.peak_flops, "peak_bandwidth": roofline.peak_bandwidth}
        return roofline_plot(points, **peaks, width=width, height=_CURVE_HEIGHT)

    return Figure(draw(_HALF), draw(NARROW))


def memory_figure(profile: Profile) -> Figure | None:
    """Return the memory in use over the parts of a step; None where it was not watched."""
    account = profile.memory
    if account is None or not account.over_step:
        return None
    parts = [PartBytes(part.name, part.peak_bytes, part.end_bytes) for part in account.over_step]
    resident_bytes = account.parameters + account.optimizer_state

    def draw(width: float) -> str:
        return memory_bars(parts, resident_bytes=resident_bytes, width=width, height=_CURVE_HEIGHT)

    return Figure(draw(_HALF), draw(NARROW))


def techniques_figure(tuning: Tuning) -> Figure | None:
    """Return the measured speed-ups as a forest plot, the plan as a whole at its end; None if nothing was measured."""
    rows = [_trial_row(trial) for trial in tuning.trials if trial.speedup is not None]
    if tuning.speedup is not None and tuning.plan.choices:
        rows.append(Ratio("whole plan", tuning.speedup, "plan", ratio(tuning.speedup, "pair")))
    if not rows:
        return None
    axis = "step speed-up, x; shaded: no difference"

    def draw(width: float, axis: str) -> str:
        return forest_plot(rows, width=width, same=tuning.smallest_difference, label="speed-ups measured", axis=axis)

    return Figure(draw(WIDE, axis), draw(NARROW, "step speed-up, x"))


def curve_figures(evidence: Evidence) -> list[Figure]:
    """Return metric and losses of baseline against plan, each over time and over steps; none where nothing changed."""
    runs = (*evidence.baseline_runs, *evidence.plan_runs)
    if not runs:
        return []
    metric = runs[0].metric_name
    quantities: list[tuple[str, Read]] = [("validation loss", lambda seen: seen.valid_loss)]
    if metric != "loss":
        quantities.insert(0, (f"validation {metric}", lambda seen: seen.metric))
    quantities.append(("training loss", lambda seen: seen.train_loss))
    figures: list[Figure] = []
    for index, (name, read) in enumerate(quantities):
        target = runs[0].target if index == 0 else None
        figures += filter(None, (_over_time(evidence, name, read, target), _over_steps(evidence, name, read, target)))
    return figures


def _trial_row(trial: Trial) -> Ratio:
    assert trial.speedup is not None, "only measured trials are drawn"
    name = f"+ {trial.technique}" if trial.base else trial.technique
    return Ratio(name, trial.speedup, trial.verdict.name.lower(), f"{ratio(trial.speedup, 'pair')}; {trial.verdict}")


def _over_time(evidence: Evidence, name: str, read: Read, target: float | None) -> Figure | None:
    longest = max((seen.elapsed_s for run in _runs(evidence) for seen in run.evaluations), default=0.0)
    unit_s, unit = next((size, unit) for least, size, unit in _TIME_UNITS if longest >= least)
    return _figure(evidence, name, read, f"time ({unit})", lambda seen: seen.elapsed_s / unit_s, target)


def _over_steps(evidence: Evidence, name: str, read: Read, target: float | None) -> Figure | None:
    return _figure(evidence, name, read, "steps", lambda seen: float(seen.step), target)


def _figure(
    evidence: Evidence, name: str, read: Read, x_name: str, x: Callable[[Evaluation], float], target: float | None
) -> Figure | None:
    curves = [
        curve
        for kind, runs in (("baseline", evidence.baseline_runs), ("plan", evidence.plan_runs))
        for curve in (_curve(run, kind, read, x) for run in runs)
        if curve.points
    ]
    if not any(len(curve.points) > 1 for curve in curves):
        return None
    first = _runs(evidence)[0]
    is_share = first.metric_name == "accuracy" and name == "validation accuracy"
    axes = Axes(
        x_name=x_name,
        y_name=name,
        y_words=(lambda value: f"{tick_words(100 * value)} %") if is_share else tick_words,
        level=target,
        level_words=f"target: {goal(first.metric_name, target)}" if target is not None else "",
    )
    return Figure(
        curve_chart(curves, axes, width=_HALF, height=_CURVE_HEIGHT),
        curve_chart(curves, axes, width=NARROW, height=_CURVE_HEIGHT),
    )


def _curve(run: RunResult, kind: str, read: Read, x: Callable[[Evaluation], float]) -> Curve:
    points: list[Point] = []
    for seen in run.evaluations:
        value = read(seen)
        if value is not None:
            points.append((x(seen), value))
    return Curve(points, kind, f"{kind}, seed {run.seed}: {run.reason}")


def _runs(evidence: Evidence) -> tuple[RunResult, ...]:
    return (*evidence.baseline_runs, *evidence.plan_runs)
