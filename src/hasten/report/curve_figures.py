"""The curves of a report: the metric over seconds with the time that is saved, and the others."""

from collections.abc import Callable, Sequence

from hasten.base.units import seconds
from hasten.report.charts.curves import Axes, Bracket, Curve, Point, curve_chart
from hasten.report.charts.scale import tick_words
from hasten.report.contents import Course, Report
from hasten.report.figures import CURVE_HEIGHT, HALF, NARROW, WIDE, Figure, time_unit
from hasten.report.wording import goal, is_share, metric_name, metric_value, whole

_TALL = 330.0
_POINTS, _OTHER_POINTS = 1000, 300
"""That a chart draws at most, all curves together: a page with many long trainings stays small."""
_POINTED = 250
"""That tell their values on pointing at them, all curves together."""

Values = tuple[float | None, ...]
Read = Callable[[Course], Values]


def time_to_quality_figure(said: Report) -> Figure | None:
    """Return the metric over seconds for all trainings, with the target and the time that the plan saves.

    None where no training was judged twice.
    """
    unit_s, unit = _unit(said)
    curves = [
        _pointed(curve, course, said.metric, unit_s)
        for course in said.courses
        if (curve := _curve(course, course.metric, _across(course, unit_s))).points
    ]
    saved = said.saved
    bracket = Bracket(saved.plan_s / unit_s, saved.baseline_s / unit_s, saved.words) if saved is not None else None
    level = said.level if said.level is not None else said.target
    axes = _axes(
        said, f"time ({unit})", f"validation {_short(said.metric)}", level=level, bracket=bracket, points=_POINTS
    )
    return _figure(curves, axes, wide=WIDE, height=_TALL)


def other_figures(said: Report) -> list[Figure]:
    """Return the metric over steps, and both losses over time and over steps, as far as they were recorded."""
    unit_s, unit = _unit(said)
    losses: list[tuple[str, Read]] = [
        ("validation loss", lambda one: one.valid_loss),
        ("training loss", lambda one: one.train_loss),
    ]
    if said.metric == "loss":  # it is the validation loss, and the first chart has it over time
        charts: list[tuple[str, Read, bool]] = [("validation loss", losses[0][1], False)]
        losses = losses[1:]
    else:
        charts = [(f"validation {said.metric}", lambda one: one.metric, False)]
    charts += [(name, read, timed) for name, read in losses for timed in (True, False)]
    found: list[Figure | None] = []
    for name, read, timed in charts:
        curves = [_curve(one, read(one), _across(one, unit_s) if timed else one.steps) for one in said.courses]
        curves = [curve for curve in curves if curve.points]
        level = said.level if name == f"validation {_short(said.metric)}" else None
        axes = _axes(said, f"time ({unit})" if timed else "steps", name, level=level, points=_OTHER_POINTS)
        found.append(_figure(curves, axes, wide=HALF, height=CURVE_HEIGHT))
    return [one for one in found if one is not None]


def _unit(said: Report) -> tuple[float, str]:
    return time_unit(max((one.seconds[-1] for one in said.courses if one.seconds), default=0.0))


def _across(course: Course, unit_s: float) -> list[float]:
    return [time_s / unit_s for time_s in course.seconds]


def _short(metric: str) -> str:
    return metric_name(metric).removeprefix("validation ")


def _curve(course: Course, values: Values, x: Sequence[float]) -> Curve:
    points: list[Point] = [(float(at), value) for at, value in zip(x, values, strict=True) if value is not None]
    return Curve(points, course.side, f"{course.side}, seed {course.seed}: {course.ended}")


def _pointed(curve: Curve, course: Course, metric: str, unit_s: float) -> Curve:
    """Return the curve with words for each of its points."""
    steps = {time_s / unit_s: step for time_s, step in zip(course.seconds, course.steps, strict=True)}

    def words(point: Point) -> str:
        at, value = point
        after = f"after {seconds(at * unit_s)}, step {whole(steps[at])}"
        return f"{course.side}, seed {course.seed}: {metric_value(metric, value)} {after}"

    return Curve(curve.points, curve.kind, curve.words, words)


def _axes(
    said: Report, x_name: str, y_name: str, *, level: float | None, points: int, bracket: Bracket | None = None
) -> Axes:
    shares = is_share(said.metric) and y_name == f"validation {said.metric}"
    kind = "target" if level == said.target else "reached by all"
    return Axes(
        x_name=x_name,
        y_name=y_name,
        y_words=(lambda value: f"{tick_words(100 * value)} %") if shares else tick_words,
        level=level,
        level_words=f"{kind}: {goal(said.metric, level)}" if level is not None else "",
        bracket=bracket,
        most_points=max(2, points // max(1, len(said.courses))),
    )


def _figure(curves: Sequence[Curve], axes: Axes, *, wide: float, height: float) -> Figure | None:
    if not any(len(curve.points) > 1 for curve in curves):
        return None
    return Figure(
        curve_chart(_small(curves, pointed=True), axes, width=wide, height=height),
        curve_chart(_small(curves, pointed=False), axes, width=NARROW, height=CURVE_HEIGHT),
    )


def _small(curves: Sequence[Curve], *, pointed: bool) -> list[Curve]:
    """Return the curves without words for their points where there are too many of them, or nothing points at them."""
    keep = pointed and sum(len(curve.points) for curve in curves) <= _POINTED
    return [curve if keep else Curve(curve.points, curve.kind, curve.words) for curve in curves]
