"""A waterfall of factors: each bar starts where the one before it ended, the last one from 1."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.records.record import Interval
from hasten.report.charts.intervals import NUMBERS, ROOM_FOR_NUMBERS, name_room, numbers, ratio_axis
from hasten.report.charts.scale import Scale, log_padded
from hasten.report.charts.svg import drawing, element, line, text, title

_ROW, _BAR = 34.0, 18.0
_AXIS = 44.0


@dataclass(frozen=True)
class Fall:
    """One bar: where it starts and ends, its factor, and what it is in words; its CSS class is "is-KIND"."""

    name: str
    kind: str
    start: float
    end: float
    factor: Interval
    words: str


def waterfall(rows: Sequence[Fall], *, width: float, label: str, axis: str) -> str:
    """Return the bars on a logarithmic axis, so that equal factors have equal lengths; a line across is an interval.

    Args:
        rows: at least one; starts, ends and intervals above 0.
        width: of the drawing; where it is large enough the factors stand at the right.
        label: what the chart shows.
        axis: the words under the axis.
    """
    left = name_room([row.name for row in rows], width)
    right = NUMBERS if width >= ROOM_FOR_NUMBERS else 10.0
    ends = [end for row in rows for end in (row.start, row.start * row.factor.low, row.start * row.factor.high)]
    scale = Scale(*log_padded([*ends, 1.0, 1.1]), left, width - right, log=True)
    bottom = _ROW * len(rows)
    content = ratio_axis(scale, bottom, axis)
    for place, row in enumerate(rows):
        y = _ROW * (place + 0.5)
        content.append(_row(row, scale, y=y, width=width, shown=right == NUMBERS))
        if place + 1 < len(rows) and rows[place + 1].start == row.end:
            x = scale.place(row.end)
            content.append(line(x, y + _BAR / 2, x, y + _ROW - _BAR / 2, "joined"))
    return drawing(*content, width=width, height=bottom + _AXIS, label=label)


def _row(row: Fall, scale: Scale, *, y: float, width: float, shown: bool) -> str:
    start, end = scale.place(row.start), scale.place(row.end)
    low, high = (scale.place(row.start * one) for one in (row.factor.low, row.factor.high))
    box = element(
        "rect",
        x=min(start, end),
        y=y - _BAR / 2,
        width=max(abs(end - start), 1.0),
        height=_BAR,
        rx=2,
        class_="fall",
    )
    content = [
        title(f"{row.name}: {row.words}"),
        text(row.name, x=0.0, y=y + 4.5, class_="row-name"),
        box,
        line(low, y, high, y, "across"),
        line(low, y - 4, low, y + 4, "across"),
        line(high, y - 4, high, y + 4, "across"),
    ]
    if shown:
        content.append(numbers(row.factor, x=width, y=y + 4.5))
    return element("g", *content, class_=f"is-{row.kind}")
