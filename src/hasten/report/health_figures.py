"""From the dynamics of a training to the figures of its page, each for a wide page and for a narrow one."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from hasten.base.records.dynamics import Dynamics, ParameterTrack, Series
from hasten.base.units import digits3
from hasten.diagnosis.dynamics.judging import known, median, ratios
from hasten.diagnosis.dynamics.noise_scale import noise_scales, running_mean
from hasten.report.charts.curves import Axes, Curve, Point, curve_chart, thinned
from hasten.report.charts.dumbbells import Pair, first_and_last
from hasten.report.charts.heatmap import HeatRow, heat_map, room_for
from hasten.report.figures import NARROW, Figure

USUAL_RATIO = (1e-4, 1e-2)
"""Update over weight of most healthy trainings. Source: Karpathy's recipe (1e-3); gradsnitch (1e-4 to 1e-2)."""
MAP_WIDTH, PAIRS_WIDTH = 590.0, 250.0
_HALF, _WIDE, _HEIGHT = 420.0, 860.0, 250.0
_NAMES, _NARROW_NAMES = 190.0, 112.0
_ROWS = 40
_LINES = 24
_POINTS = 80  # of one line among many


def layers(dynamics: Dynamics) -> list[tuple[str, ParameterTrack]]:
    """Return the matrices and filters with their names, in the order of the forward pass; without any, all tensors."""
    found = [(one.name or f"parameter {place}", one) for place, one in enumerate(dynamics.parameters)]
    return [(name, one) for name, one in found if len(one.shape) >= 2 and known(one.gradient)] or [
        (name, one) for name, one in found if known(one.gradient)
    ]


def norms(track: ParameterTrack) -> Series:
    """Return the norm of the gradient for each sample."""
    size = math.sqrt(math.prod(track.shape))
    return tuple(None if value is None else size * value for value in track.gradient)


def depth_figures(dynamics: Dynamics) -> list[Figure]:
    """Return the gradient norms of the layers over the samples, and beside them first against last; or nothing."""
    chosen = _some(layers(dynamics), _ROWS)
    if not chosen or not dynamics.samples:
        return []
    rows: list[HeatRow] = []
    pairs: list[Pair] = []
    for name, track in chosen:
        series = norms(track)
        first, last = known(series)[0], known(series)[-1]
        words = f"gradient norm {digits3(first)} in the first sample, {digits3(last)} in the last"
        rows.append(HeatRow(name, series, words))
        pairs.append(Pair(name, first, last, words))
    columns = [f"{step:,}" for step in dynamics.samples]
    names = [name for name, _ in chosen]
    narrow_room = room_for(names, _NARROW_NAMES)
    label = "gradient norm of each layer over the sampled steps"
    beside = "gradient norm of each layer, first and last sample"
    figures = [
        Figure(
            heat_map(rows, columns, width=MAP_WIDTH, names=room_for(names, _NAMES), most=60, label=label),
            heat_map(rows, columns, width=NARROW, names=narrow_room, most=30, label=label),
        )
    ]
    if any(one.first > 0 or one.last > 0 for one in pairs):
        figures.append(
            Figure(
                first_and_last(pairs, width=PAIRS_WIDTH, names=0.0, label=beside),
                first_and_last(pairs, width=NARROW, names=narrow_room, label=beside),
            )
        )
    return figures


def ratio_figure(dynamics: Dynamics) -> Figure | None:
    """Return update over weight of each layer over the steps, colored by depth, with the usual band."""
    curves: list[Curve] = []
    chosen = _some(layers(dynamics), _LINES)
    for place, (name, track) in enumerate(chosen):
        found = ratios(track)
        words = f"{name}: {digits3(median(known(found)))} at the median"
        kind = f"depth-{_shade(place, len(chosen))}"
        curves += [Curve(thinned(line, _POINTS), kind, words) for line in _lines(dynamics, found)]
    axes = _axes(dynamics, "update over weight (rms)", band=USUAL_RATIO)
    return _figure(curves, axes, wide=_WIDE)


def loss_figure(dynamics: Dynamics) -> Figure | None:
    """Return the losses that were read, their running median, the evaluations, and the loss of a constant output."""
    points = [(float(step), loss) for step, loss in enumerate(dynamics.losses, 1) if loss is not None]
    window = max(1, len(points) // 40)
    middle = [
        (points[at][0], median([y for _, y in points[max(0, at - window) : at + window + 1]]))
        for at in range(0, len(points), max(1, len(points) // 200))
    ]
    evaluated = [(float(one.step), one.loss) for one in dynamics.evaluations if one.loss is not None]
    curves = [
        Curve(points, "raw", "loss of each step"),
        Curve(middle, "plan", "running median of the training loss"),
        Curve(evaluated, "second", "loss in evaluation"),
    ]
    chance = dynamics.criterion.chance if dynamics.criterion is not None else None
    broken = dynamics.nonfinite
    axes = _axes(
        dynamics,
        "loss",
        level=chance,
        level_words="best constant output",
        mark=float(broken.step) if broken is not None else None,
        mark_words=f"{broken.what} not finite" if broken is not None else "",
    )
    return _figure([one for one in curves if one.points], axes)


def norm_figure(dynamics: Dynamics) -> Figure | None:
    """Return the norm of all gradients over the steps, with the limit of clipping."""
    curve = Curve(_points(dynamics, dynamics.norms), "plan", "norm of all gradients, before clipping")
    limit = dynamics.clip_limit if dynamics.clip_limit and math.isfinite(dynamics.clip_limit) else None
    axes = _axes(dynamics, "gradient norm, all layers", level=limit, level_words="clipped above")
    return _figure([curve] if curve.points else [], axes)


def direction_figure(dynamics: Dynamics) -> Figure | None:
    """Return the cosines between consecutive gradients and between consecutive updates."""
    curves = [
        Curve(_points(dynamics, dynamics.gradient_cosines), "raw", "gradients of two consecutive steps"),
        Curve(_points(dynamics, running_mean(dynamics.update_cosines)), "second", "updates, running mean"),
        Curve(_points(dynamics, running_mean(dynamics.gradient_cosines)), "plan", "gradients, running mean"),
    ]
    axes = _axes(dynamics, "cosine to the next step", ends=(-1.05, 1.05), level=0.0, level_words="unrelated")
    return _figure([one for one in curves if one.points], axes)


def noise_figure(dynamics: Dynamics) -> Figure | None:
    """Return the gradient noise scale over the steps, with the batch size."""
    if dynamics.batch_rows is None:
        return None
    rows = float(dynamics.batch_rows * dynamics.passes)
    axes = _axes(dynamics, "gradient noise scale (samples)", level=rows, level_words="batch size")
    return _figure([Curve(line, "plan", "noise scale") for line in _lines(dynamics, noise_scales(dynamics))], axes)


def _axes(dynamics: Dynamics, name: str, **options: Any) -> Axes:
    return Axes(x_name="step", y_name=name, x_end=float(len(dynamics.losses)), **options)


def _lines(dynamics: Dynamics, series: Series) -> list[list[Point]]:
    """Return the points above 0 as lines that end where a sample has none."""
    places = zip(dynamics.samples, series, strict=False)
    runs = groupby(places, lambda place: place[1] is not None and place[1] > 0)
    return [[(float(x), y) for x, y in run if y is not None] for drawn, run in runs if drawn]


def _figure(curves: Sequence[Curve], axes: Axes, *, wide: float = _HALF) -> Figure | None:
    if not any(len(curve.points) > 1 for curve in curves):
        return None
    return Figure(
        curve_chart(curves, axes, width=wide, height=_HEIGHT), curve_chart(curves, axes, width=NARROW, height=_HEIGHT)
    )


def _points(dynamics: Dynamics, series: Series) -> list[Point]:
    return [(float(x), y) for x, y in zip(dynamics.samples, series, strict=False) if y is not None]


def _some(found: list[tuple[str, ParameterTrack]], most: int) -> list[tuple[str, ParameterTrack]]:
    """Return at most so many, evenly spread over the depth, the first and the last always among them."""
    if len(found) <= most:
        return found
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]


def _shade(place: int, number: int) -> int:
    """Return one of ten shades, from the first layer to the last."""
    return round(9 * place / max(1, number - 1))
