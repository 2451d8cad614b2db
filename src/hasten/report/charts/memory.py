"""The memory that each part of a step has in use: at most, and when the part ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.units import nbytes
from hasten.report.charts.scale import Scale, round_ticks
from hasten.report.charts.svg import drawing, element, line, text, title

_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 8.0, 26.0, 40.0
_GAP = 6.0
_LETTER = 6.8  # width of one, roughly


@dataclass(frozen=True)
class PartBytes:
    """One part of the step: its name, and the bytes in use at most and at its end."""

    name: str
    peak_bytes: int
    end_bytes: int


def memory_bars(parts: Sequence[PartBytes], *, resident_bytes: int, width: float, height: float) -> str:
    """Return a bar for each part, as high as its peak, with a mark at what it leaves in use.

    Args:
        parts: in the order of the step, at least one.
        resident_bytes: weights and optimizer state, drawn as a line across: what is in use all the time.
        width: of the drawing.
        height: of the drawing.
    """
    largest = max(1, *(part.peak_bytes for part in parts))
    unit = max(1 << power for power in (0, 10, 20, 30) if 1 << power <= max(largest, 1))
    y = Scale(0.0, largest * 1.06, height - _BOTTOM, _TOP)
    room = (width - _LEFT - _RIGHT) / len(parts)
    ticks = [tick * unit for tick in round_ticks(0.0, largest * 1.06 / unit, 5)]
    content = [text("memory in use", x=0.0, y=13.0, class_="axis-name strong")]
    for tick in ticks:
        content.append(line(_LEFT, y.place(tick), width - _RIGHT, y.place(tick), "grid"))
        content.append(text(nbytes(tick), x=_LEFT - 7, y=y.place(tick) + 4, class_="tick", anchor="end"))
    crowded = max(len(part.name) for part in parts) * _LETTER > room
    for index, part in enumerate(parts):
        lower = 14.0 if crowded and index % 2 else 0.0
        content.append(_bar(part, y, left=_LEFT + index * room, room=room, below=lower))
    at = y.place(resident_bytes)
    content.append(line(_LEFT, at, width - _RIGHT, at, "level"))
    content.append(line(_LEFT, y.start, width - _RIGHT, y.start, "axis"))
    return drawing(*content, width=width, height=height, label="memory in use over the parts of a step")


def _bar(part: PartBytes, y: Scale, *, left: float, room: float, below: float) -> str:
    top, end = y.place(part.peak_bytes), y.place(part.end_bytes)
    wide = room - _GAP
    return element(
        "g",
        title(f"{part.name}: at most {nbytes(part.peak_bytes)}, {nbytes(part.end_bytes)} at its end"),
        element("rect", x=left, y=top, width=wide, height=y.start - top, rx=2, class_=f"part part-{part.name}"),
        line(left, end, left + wide, end, "end-of-part"),
        text(part.name, x=left + wide / 2, y=y.start + 17 + below, class_="tick", anchor="middle"),
    )
