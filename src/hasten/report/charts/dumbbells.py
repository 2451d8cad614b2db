"""Two values for each line, joined by a stroke: how something was at first, and how it was at last."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.report.charts.heatmap import BOTTOM, TOP, row_height, shortened
from hasten.report.charts.scale import Scale, log_padded, tick_words
from hasten.report.charts.svg import drawing, element, line, text, title

_TICK = 46.0  # room for the words of one


@dataclass(frozen=True)
class Pair:
    """One line: its name, its first and its last value, and its words on pointing at it; what is 0 is not drawn."""

    name: str
    first: float
    last: float
    words: str


def first_and_last(rows: Sequence[Pair], *, width: float, names: float, label: str) -> str:
    """Return the pairs on a logarithmic axis: a ring for the first value, a dot for the last.

    Its rows have the same heights as those of a heat map of as many rows.

    Args:
        rows: at least one.
        width: of the drawing.
        names: room for the names of the rows; 0 to leave them out.
        label: what the chart shows.
    """
    tall = row_height(len(rows))
    bottom = TOP + tall * len(rows)
    low, high = log_padded([value for row in rows for value in (row.first, row.last) if value > 0])
    scale = Scale(low, high, names + 8, width - 12, log=True)
    marks: list[str] = []
    for tick in scale.ticks(max(2, int((width - names) / _TICK))):
        x = scale.place(tick)
        marks += [
            line(x, TOP, x, bottom, "grid"),
            text(tick_words(tick), x=x, y=bottom + 16, class_="tick", anchor="middle"),
        ]
    return drawing(
        text("first ○   last ●", x=width, y=14.0, class_="tick", anchor="end"),
        *marks,
        *(_row(row, scale, y=TOP + tall * (place + 0.5), names=names) for place, row in enumerate(rows)),
        width=width,
        height=bottom + BOTTOM,
        label=label,
    )


def _row(row: Pair, scale: Scale, *, y: float, names: float) -> str:
    parts = [title(f"{row.name}: {row.words}")]
    if names:
        parts.append(text(shortened(row.name, names - 8), x=names - 8, y=y + 3.5, class_="tick", anchor="end"))
    first, last = (scale.place(value) if value > 0 else None for value in (row.first, row.last))
    if first is not None and last is not None:
        parts.append(line(first, y, last, y, "joined"))
    for x, kind in ((first, "ring"), (last, "dot")):
        if x is not None:
            parts.append(element("circle", cx=x, cy=y, r=3.6, class_=kind))
    return element("g", *parts, class_="is-plan")
