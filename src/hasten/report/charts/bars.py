"""One bar made of parts that sum to a whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.units import percent
from hasten.report.charts.svg import drawing, element, text, title

_HEIGHT = 46.0
_LETTER = 8.4  # width of one, roughly
_GAP = 1.5


@dataclass(frozen=True)
class Part:
    """One part of a bar: its name, its share of the whole, and its size in words."""

    name: str
    share: float
    words: str


def stacked_bar(parts: Sequence[Part], *, width: float, label: str) -> str:
    """Return a horizontal bar, each part with its name and share where they fit; pointing at a part tells its size.

    Each part has the CSS classes "part" and "part-NAME".
    """
    drawn: list[str] = []
    start = 0.0
    for part in parts:
        length = width * part.share
        drawn.append(_segment(part, start, length))
        start += length
    return drawing(*drawn, width=width, height=_HEIGHT, label=label)


def _segment(part: Part, start: float, length: float) -> str:
    box = element(
        "rect",
        x=start,
        y=0.0,
        width=max(length - _GAP, 0.5),
        height=_HEIGHT,
        rx=2,
        class_=f"part part-{part.name}",
    )
    words: list[str] = []
    if length > _LETTER * len(part.name) + 8:
        words = [
            text(part.name, x=start + 7, y=20.0, class_="on-part"),
            text(percent(part.share), x=start + 7, y=36.0, class_="on-part on-part-share"),
        ]
    return element("g", title(f"{part.name}: {part.words}, {percent(part.share)}"), box, *words)
