"""Curves: how something changed over time or steps, for several runs of two sides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hasten.report.charts.scale import Scale, log_padded, padded, spans_decades, tick_words
from hasten.report.charts.svg import drawing, element, line, text, title

_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 14.0, 26.0, 42.0
_MOST_POINTS = 240
_BELOW, _HALF_WORDS = 20.0, 50.0  # of the words of a bracket: how far below it, and half of their width, roughly

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One run: its points in order, the CSS class of its side, and what it is in words."""

    points: Sequence[Point]
    kind: str
    words: str
    point_words: Callable[[Point], str] | None = None  # read on pointing at one; None for the words of the curve


@dataclass(frozen=True)
class Bracket:
    """A distance between two places on the horizontal axis, drawn at the level, and what it is in words."""

    start: float
    end: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What the axes of a chart say."""

    x_name: str
    y_name: str
    y_words: Callable[[float], str] = tick_words
    level: float | None = None  # drawn as a line across, for example a target
    level_words: str = ""
    band: tuple[float, float] | None = None  # shaded: what is usual
    ends: tuple[float, float] | None = None  # of the vertical axis; None for those of the values
    x_end: float = 0.0  # the horizontal axis goes on at least so far
    mark: float | None = None  # a place on the horizontal axis, drawn as a line up
    mark_words: str = ""
    bracket: Bracket | None = None  # needs a level
    most_points: int = _MOST_POINTS  # of a curve


def curve_chart(curves: Sequence[Curve], axes: Axes, *, width: float, height: float) -> str:
    """Return the curves on common axes; the vertical one is logarithmic where the values span decades.

    Each curve has the CSS classes "curve" and its kind; a dot marks where it ends.

    Args:
        curves: each with at least one point.
        axes: names and labels.
        width: of the drawing.
        height: of the drawing.
    """
    x_values = [x for curve in curves for x, _ in curve.points]
    y_values = [y for curve in curves for _, y in curve.points]
    y_values += [value for value in (axes.level, *(axes.band or ())) if value is not None]
    log = axes.ends is None and spans_decades(y_values)
    low, high = axes.ends or (log_padded if log else padded)(y_values)
    x_scale = Scale(0.0, max(*x_values, axes.x_end, axes.mark or 0.0) * 1.02 or 1.0, _LEFT, width - _RIGHT)
    y_scale = Scale(low, high, height - _BOTTOM, _TOP, log=log)
    return drawing(
        *_band(x_scale, y_scale, axes),
        *_grid(x_scale, y_scale, axes),
        *_level(x_scale, y_scale, axes),
        *_mark(x_scale, y_scale, axes),
        *(_curve(curve, x_scale, y_scale, most=axes.most_points) for curve in curves),
        *_bracket(x_scale, y_scale, axes),
        *_level_words(x_scale, y_scale, axes),
        text(axes.y_name, x=0.0, y=13.0, class_="axis-name strong"),
        text(axes.x_name, x=width - _RIGHT, y=height - 6, class_="axis-name", anchor="end"),
        width=width,
        height=height,
        label=f"{axes.y_name} over {axes.x_name}",
    )


def thinned(points: Sequence[Point], most: int = _MOST_POINTS) -> list[Point]:
    """Return at most about `most` of the points, evenly, the last one always among them."""
    every = max(1, -(-len(points) // most))
    kept = list(points[::every])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def _grid(x_scale: Scale, y_scale: Scale, axes: Axes) -> list[str]:
    marks: list[str] = []
    for tick in y_scale.ticks(5):
        y = y_scale.place(tick)
        marks.append(line(x_scale.start, y, x_scale.end, y, "grid"))
        marks.append(text(axes.y_words(tick), x=x_scale.start - 7, y=y + 4, class_="tick", anchor="end"))
    for tick in x_scale.ticks(5):
        x = x_scale.place(tick)
        marks.append(text(tick_words(tick), x=x, y=y_scale.start + 17, class_="tick", anchor="middle"))
    return [*marks, line(x_scale.start, y_scale.start, x_scale.end, y_scale.start, "axis")]


def _level(x_scale: Scale, y_scale: Scale, axes: Axes) -> list[str]:
    if axes.level is None:
        return []
    y = y_scale.place(axes.level)
    return [line(x_scale.start, y, x_scale.end, y, "level")]


def _level_words(x_scale: Scale, y_scale: Scale, axes: Axes) -> list[str]:
    if axes.level is None or not axes.level_words:
        return []
    y = y_scale.place(axes.level) - 5
    return [text(axes.level_words, x=x_scale.end, y=y, class_="level-name", anchor="end")]


def _bracket(x_scale: Scale, y_scale: Scale, axes: Axes) -> list[str]:
    """Return the bracket on the line of the level, its words below it, or above where there is no room."""
    if axes.bracket is None or axes.level is None:
        return []
    y, (start, end) = y_scale.place(axes.level), sorted(map(x_scale.place, (axes.bracket.start, axes.bracket.end)))
    below = y + _BELOW < y_scale.start - 4
    middle = min(max((start + end) / 2, x_scale.start + _HALF_WORDS), x_scale.end - _HALF_WORDS)
    return [
        line(start, y, end, y, "bracket"),
        line(start, y - 6, start, y + 6, "bracket"),
        line(end, y - 6, end, y + 6, "bracket"),
        text(axes.bracket.words, x=middle, y=y + _BELOW if below else y - _BELOW, class_="saved", anchor="middle"),
    ]


def _band(x_scale: Scale, y_scale: Scale, axes: Axes) -> list[str]:
    if axes.band is None:
        return []
    low, high = (y_scale.place(end) for end in axes.band)
    wide = x_scale.end - x_scale.start
    return [element("rect", x=x_scale.start, y=high, width=wide, height=low - high, class_="band")]


def _mark(x_scale: Scale, y_scale: Scale, axes: Axes) -> list[str]:
    if axes.mark is None:
        return []
    x = x_scale.place(axes.mark)
    left = x > (x_scale.start + x_scale.end) / 2
    words = text(
        axes.mark_words,
        x=x + (-5 if left else 5),
        y=y_scale.end + 11,
        class_="mark-name",
        anchor="end" if left else "start",
    )
    return [line(x, y_scale.start, x, y_scale.end, "mark"), words]


def _curve(curve: Curve, x_scale: Scale, y_scale: Scale, *, most: int) -> str:
    shown = thinned(curve.points, most)
    places = [(x_scale.place(x), y_scale.place(y)) for x, y in shown]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    end_x, end_y = places[-1]
    return element(
        "g",
        title(curve.words),
        element("polyline", points=path, fill="none"),
        element("circle", cx=end_x, cy=end_y, r=3),
        *(
            element("circle", title(curve.point_words(point)), cx=x, cy=y, r=7, class_="pointed")
            for point, (x, y) in zip(shown, places, strict=True)
            if curve.point_words is not None
        ),
        class_=f"curve {curve.kind}",
    )
