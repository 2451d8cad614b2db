"""A heat map: one line for each layer, one column for each sampled step, colors on a logarithmic scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.records.dynamics import Series
from hasten.report.charts.scale import tick_words
from hasten.report.charts.svg import drawing, element, text, title

LEVELS = 10
"""Colors: the CSS classes "heat-0" to "heat-9", low to high."""
TOP, BOTTOM = 30.0, 24.0
"""Room above and below the rows, the same in the chart that stands beside it."""
_DECADES = 2.0  # the colors span at least so many, so that ordinary differences stay small
_LETTER = 6.6  # width of one, roughly
_KEY = 13.0  # width of one color in the key


@dataclass(frozen=True)
class HeatRow:
    """One line: its name, a value for each column (None where there is none), and its words on pointing at it."""

    name: str
    values: Series
    words: str


def row_height(rows: int) -> float:
    """Return the height of a line, smaller where there are many."""
    return 20.0 if rows <= 16 else 15.0 if rows <= 28 else 12.0


def heat_map(
    rows: Sequence[HeatRow], columns: Sequence[str], *, width: float, names: float, most: int, label: str
) -> str:
    """Return the map, the first row on top.

    Args:
        rows: at least one, all with as many values as there are columns.
        columns: the name of each.
        width: of the drawing.
        names: room for the names of the rows.
        most: columns at most; neighbors are drawn as one with their geometric mean.
        label: what the map shows.
    """
    step = max(1, -(-len(columns) // most))
    logs = [[_level(row.values[at : at + step]) for at in range(0, len(columns), step)] for row in rows]
    found = [value for row in logs for value in row if value is not None and value > -math.inf]
    low, high = _ends(found)
    tall, wide = row_height(len(rows)), (width - names) / max(1, len(logs[0]))
    cells: dict[str, list[str]] = {}
    for place, row in enumerate(logs):
        for kind, start, count in _runs([_kind(value, low, high) for value in row]):
            x, y = names + start * wide, TOP + place * tall
            cells.setdefault(kind, []).append(
                f"M{x:.1f} {y:.1f}h{count * wide:.1f}v{tall - 1:.1f}h{-count * wide:.1f}z"
            )
    painted = [element("path", d="".join(parts), class_=kind) for kind, parts in sorted(cells.items())]
    return drawing(
        *_key(low, high, width=width),
        *painted,
        *(_row(row, place, tall, width=width, names=names) for place, row in enumerate(rows)),
        *_ticks(columns, step, wide, start=names, y=TOP + tall * len(rows) + 16),
        width=width,
        height=TOP + tall * len(rows) + BOTTOM,
        label=label,
    )


def room_for(names: Sequence[str], most: float) -> float:
    """Return the room that the longest name takes, with a gap; at most so much."""
    return min(most, _LETTER * max(map(len, names)) + 14)


def shortened(name: str, room: float) -> str:
    """Return the name of a layer as far as it fits: its number in the model and its end tell it from others."""
    letters = max(4, int(room / _LETTER))
    if len(name) <= letters:
        return name
    name = name.removesuffix(".weight").removesuffix("_weight")
    if len(name) <= letters:
        return name
    *path, end = name.split(".")
    number = next((part for part in reversed(path) if part.isdecimal()), "")
    end = f"{number}…{end}"
    return end if len(end) <= letters else f"{number}…{end[len(number) + 1 - letters :]}"


def _level(values: Series) -> float | None:
    """Return the mean of the logarithms; -inf where all are 0, None where there are none."""
    seen = [value for value in values if value is not None]
    logs = [math.log10(value) for value in seen if value > 0]
    return sum(logs) / len(logs) if logs else -math.inf if seen else None


def _ends(logs: Sequence[float]) -> tuple[float, float]:
    low, high = (min(logs), max(logs)) if logs else (0.0, 0.0)
    missing = max(0.0, _DECADES - (high - low)) / 2
    return low - missing, high + missing


def _kind(value: float | None, low: float, high: float) -> str:
    if value is None:
        return ""
    if value == -math.inf:
        return "heat-zero"
    return f"heat-{min(LEVELS - 1, int(LEVELS * (value - low) / (high - low)))}"


def _runs(kinds: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return neighbors of one kind as (kind, first, number); those without a kind are left out."""
    runs: list[tuple[str, int, int]] = []
    for place, kind in enumerate(kinds):
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((kind, place, 1))
    return [one for one in runs if one[0]]


def _row(row: HeatRow, place: int, tall: float, *, width: float, names: float) -> str:
    y = TOP + place * tall
    return element(
        "g",
        title(f"{row.name}: {row.words}"),
        element("rect", x=0.0, y=y, width=width, height=tall, class_="pointed"),
        text(shortened(row.name, names - 8), x=names - 8, y=y + tall / 2 + 3.5, class_="tick", anchor="end"),
    )


def _ticks(columns: Sequence[str], step: int, wide: float, *, start: float, y: float) -> list[str]:
    number = -(-len(columns) // step)
    every = max(1, math.ceil(46.0 / wide))
    shown = range(0, number, every)
    return [
        text(columns[at * step], x=start + (at + 0.5) * wide, y=y, class_="tick", anchor="middle")
        for at in shown
        if (number - at - 0.5) * wide > 3.5 * len(columns[at * step])
    ]


def _key(low: float, high: float, *, width: float) -> list[str]:
    words = tick_words(10.0**high), tick_words(10.0**low)
    end = width - _LETTER * len(words[0]) - 6
    start = end - _KEY * LEVELS
    boxes = [
        element("rect", x=start + _KEY * level, y=4.0, width=_KEY, height=12.0, class_=f"heat-{level}")
        for level in range(LEVELS)
    ]
    return [
        text(words[1], x=start - 6, y=14.0, class_="tick", anchor="end"),
        *boxes,
        text(words[0], x=width, y=14.0, class_="tick", anchor="end"),
    ]
