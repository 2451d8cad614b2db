"""A forest plot: one ratio with its interval per line, against the line of no difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.records.record import Interval
from hasten.report.charts.scale import Scale, log_padded, tick_words
from hasten.report.charts.svg import drawing, element, line, text, title

_ROW = 30.0
_TOP = 8.0
_AXIS = 44.0
_LETTER = 7.4
_TICK = 62.0  # room for the words of one
NUMBERS = 140.0
"""Room at the right for a ratio with its interval, in charts that are at least `ROOM_FOR_NUMBERS` wide."""
ROOM_FOR_NUMBERS = 560.0


@dataclass(frozen=True)
class Ratio:
    """One line of the plot; `kind` becomes the CSS class "is-KIND", and `words` are read on pointing at it."""

    name: str
    interval: Interval
    kind: str
    words: str


def forest_plot(rows: Sequence[Ratio], *, width: float, same: float, label: str, axis: str) -> str:
    """Return the plot on a logarithmic axis, so that twice and half as fast lie equally far from no difference.

    Args:
        rows: at least one.
        width: of the drawing; where it is large enough the numbers stand at the right.
        same: ratios from 1 / (1 + same) to 1 + same count as no difference; that band is shaded.
        label: what the plot shows.
        axis: the words under the axis.
    """
    height = _TOP + _ROW * len(rows) + _AXIS
    left = name_room([row.name for row in rows], width)
    right = NUMBERS if width >= ROOM_FOR_NUMBERS else 10.0
    ends = [end for row in rows for end in (row.interval.low, row.interval.high)]
    low, high = log_padded([*ends, 0.9, 1.1])
    scale = Scale(low, high, left, width - right, log=True)
    bottom = height - _AXIS
    content = [_band(scale, same, bottom), *ratio_axis(scale, bottom, axis)]
    for index, row in enumerate(rows):
        content.append(_row(row, scale, y=_TOP + _ROW * (index + 0.5), width=width, shown=right == NUMBERS))
    return drawing(*content, width=width, height=height, label=label)


def _band(scale: Scale, same: float, bottom: float) -> str:
    start, end = scale.place(1 / (1 + same)), scale.place(1 + same)
    return element("rect", x=start, y=0.0, width=max(end - start, 1.0), height=bottom, class_="band")


def name_room(names: Sequence[str], width: float) -> float:
    """Return the room for names at the left of rows, in a chart so wide."""
    return min(_LETTER * max(map(len, names)) + 14, 0.45 * width)


def numbers(interval: Interval, *, x: float, y: float) -> str:
    """Return a ratio with its interval as words that end at a place."""
    found = f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
    return text(found, x=x, y=y, class_="row-number", anchor="end")


def ratio_axis(scale: Scale, bottom: float, words: str) -> list[str]:
    """Return ticks of an axis of ratios with lines up to the top, the line of no difference, and words below."""
    marks: list[str] = []
    for tick in scale.ticks(max(2, int((scale.end - scale.start) / _TICK))):
        x = scale.place(tick)
        marks.append(line(x, 0, x, bottom, "grid"))
        marks.append(text(f"{tick_words(tick)}x", x=x, y=bottom + 16, class_="tick", anchor="middle"))
    one = scale.place(1.0)
    middle = (scale.start + scale.end) / 2
    caption = text(words, x=middle, y=bottom + 36, class_="axis-name", anchor="middle")
    return [*marks, line(one, 0, one, bottom, "one"), caption]


def _row(row: Ratio, scale: Scale, *, y: float, width: float, shown: bool) -> str:
    interval = row.interval
    low, middle, high = (scale.place(value) for value in (interval.low, interval.value, interval.high))
    content = [
        title(f"{row.name}: {row.words}"),
        text(row.name, x=0.0, y=y + 4.5, class_="row-name"),
        line(low, y, high, y, "whisker"),
        line(low, y - 4, low, y + 4, "whisker"),
        line(high, y - 4, high, y + 4, "whisker"),
        element("circle", cx=middle, cy=y, r=5, class_="dot"),
    ]
    if shown:
        content.append(numbers(interval, x=width, y=y + 4.5))
    return element("g", *content, class_=f"is-{row.kind}")
