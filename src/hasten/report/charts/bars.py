"""Bars made of parts, one below the other on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.units import percent
from hasten.report.charts.scale import Scale, tick_words
from hasten.report.charts.svg import drawing, element, line, text, title

_HEIGHT = 42.0
_NAME = 22.0  # height of the line with a bar's name
_ROW = _NAME + _HEIGHT + 12.0
_AXIS = 40.0
_TICK = 70.0  # room for the words of one
_LETTER = 8.4  # width of one, roughly
_GAP = 1.5


@dataclass(frozen=True)
class Part:
    """One part of a bar: its name, its size in the unit of the axis, and its size in words."""

    name: str
    size: float
    words: str


@dataclass(frozen=True)
class Bar:
    """One bar: its name, and its parts in order."""

    name: str
    parts: Sequence[Part]

    @property
    def size(self) -> float:
        """The sum of its parts."""
        return sum(part.size for part in self.parts)


def stacked_bars(bars: Sequence[Bar], *, width: float, axis: str, label: str) -> str:
    """Return the bars on an axis from 0, each part with its name and share of the bar where they fit.

    Each part has the CSS classes "part" and "part-NAME"; pointing at it tells its size.

    Args:
        bars: at least one.
        width: of the drawing.
        axis: the words under the axis: what is drawn, and in which unit.
        label: what the chart shows.
    """
    scale = Scale(0.0, max(bar.size for bar in bars) or 1.0, 0.0, width - 1.0)
    bottom = _ROW * len(bars)
    marks: list[str] = []
    for tick in scale.ticks(max(2, int(width / _TICK))):
        x = scale.place(tick)
        anchor = "start" if x < _TICK / 4 else "end" if x > width - _TICK / 4 else "middle"
        marks.append(line(x, 0, x, bottom, "grid"))
        marks.append(text(tick_words(tick), x=x, y=bottom + 16, class_="tick", anchor=anchor))
    caption = text(axis, x=width / 2, y=bottom + 34, class_="axis-name", anchor="middle")
    drawn = [_bar(bar, scale, top=_ROW * place) for place, bar in enumerate(bars)]
    return drawing(*marks, *drawn, caption, width=width, height=bottom + _AXIS, label=label)


def _bar(bar: Bar, scale: Scale, *, top: float) -> str:
    drawn, start = [text(bar.name, x=0.0, y=top + 15, class_="row-name")], 0.0
    for part in bar.parts:
        share = part.size / bar.size if bar.size else 0.0
        drawn.append(_segment(part, share, scale.place(start), scale.place(start + part.size), top + _NAME))
        start += part.size
    return element("g", *drawn, class_="bar-row")


def _segment(part: Part, share: float, left: float, right: float, top: float) -> str:
    length = right - left
    box = element(
        "rect",
        x=left,
        y=top,
        width=max(length - _GAP, 0.5),
        height=_HEIGHT,
        rx=2,
        class_=f"part part-{part.name}",
    )
    words: list[str] = []
    if length > _LETTER * len(part.name) + 8:
        words = [
            text(part.name, x=left + 7, y=top + 18, class_="on-part"),
            text(percent(share), x=left + 7, y=top + 34, class_="on-part on-part-share"),
        ]
    return element("g", title(f"{part.name}: {part.words}"), box, *words)
