"""The roofline: how fast each layer works, under what the machine's memory and arithmetic allow."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.units import count
from hasten.report.charts.scale import Scale, log_padded
from hasten.report.charts.svg import drawing, element, line, text, title

_LEFT, _RIGHT, _TOP, _BOTTOM = 82.0, 14.0, 26.0, 42.0
_SMALLEST, _LARGEST = 3.0, 11.0  # radius of a layer that takes none, or all of the time
_NAMED_SHARE = 0.08
_LINE = 13.0  # height of a line of words
_LETTER = 6.6  # width of one, roughly


@dataclass(frozen=True)
class LayerPoint:
    """One layer: operations per byte, operations per second, its share of the time, and what it is in words."""

    name: str
    intensity: float
    flops_per_s: float
    share: float
    words: str


def roofline_plot(
    points: Sequence[LayerPoint], *, peak_flops: float, peak_bandwidth: float, width: float, height: float
) -> str:
    """Return the layers under the roof; layers that take most of the time are larger, and named.

    Args:
        points: at least one, with intensities and rates above 0.
        peak_flops: operations per second, the flat part of the roof.
        peak_bandwidth: bytes per second, the slope of the other part.
        width: of the drawing.
        height: of the drawing.
    """
    ridge = peak_flops / peak_bandwidth
    intensities = [point.intensity for point in points]
    low, high = log_padded([*intensities, ridge / 4, ridge * 4])
    rates = [point.flops_per_s for point in points]
    least, most = log_padded([*rates, peak_flops, min(low * peak_bandwidth, peak_flops)])
    x = Scale(low, high, _LEFT, width - _RIGHT, log=True)
    y = Scale(least, most, height - _BOTTOM, _TOP, log=True)
    first = min(low * peak_bandwidth, peak_flops)
    roof = [(low, first), (ridge, peak_flops), (high, peak_flops)]
    path = " ".join(f"{x.place(at):.1f},{y.place(rate):.1f}" for at, rate in roof)
    return drawing(
        *_grid(x, y),
        element("polyline", points=path, fill="none", class_="roof"),
        _limit_name(count(peak_flops, "FLOP/s"), x, y, ridge=ridge, peak_flops=peak_flops),
        *_layers(sorted(points, key=lambda point: -point.share), x, y),
        text("FLOP/s", x=0.0, y=13.0, class_="axis-name strong"),
        text("FLOP per byte", x=width - _RIGHT, y=height - 6, class_="axis-name", anchor="end"),
        width=width,
        height=height,
        label="speed of each layer over its operations per byte, under the limits of the machine",
    )


def _limit_name(words: str, x: Scale, y: Scale, *, ridge: float, peak_flops: float) -> str:
    """Return the rate of the flat roof: beside its left end, where no layer can be, or above that end."""
    free_until = x.place(ridge) - 8
    if free_until - x.start > _LETTER * len(words):
        return text(words, x=free_until, y=y.place(peak_flops) + 4, class_="tick", anchor="end")
    return text(words, x=x.place(ridge) + 2, y=y.place(peak_flops) - 6, class_="tick")


def _grid(x: Scale, y: Scale) -> list[str]:
    marks: list[str] = []
    for tick in y.ticks(6):
        place = y.place(tick)
        marks.append(line(x.start, place, x.end, place, "grid"))
        marks.append(text(count(tick), x=x.start - 7, y=place + 4, class_="tick", anchor="end"))
    for tick in x.ticks(7):
        place = x.place(tick)
        marks.append(text(f"{tick:g}", x=place, y=y.start + 17, class_="tick", anchor="middle"))
    return [*marks, line(x.start, y.start, x.end, y.start, "axis")]


def _layers(points: Sequence[LayerPoint], x: Scale, y: Scale) -> list[str]:
    """Return the layers in this order; a name that would touch an earlier one is left to the pointer."""
    drawn, named = list[str](), list[tuple[float, float, float]]()
    for point in points:
        at, rate = x.place(point.intensity), y.place(point.flops_per_s)
        radius = _SMALLEST + (_LARGEST - _SMALLEST) * point.share**0.5
        content = [title(point.words), element("circle", cx=at, cy=rate, r=radius)]
        length = _LETTER * len(point.name)
        left = at + radius + 4 + length > x.end
        start = at - radius - 4 - length if left else at + radius + 4
        is_free = all(
            start + length < other or start > end or abs(rate - line_at) > _LINE for other, end, line_at in named
        )
        if point.share >= _NAMED_SHARE and is_free:
            named.append((start, start + length, rate))
            place = start + length if left else start
            content.append(text(point.name, x=place, y=rate + 4, class_="tick", anchor="end" if left else "start"))
        drawn.append(element("g", *content, class_="layer"))
    return drawn
