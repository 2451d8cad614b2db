"""What was expected against what was measured: a dot on the diagonal came out as expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten.base.records.record import Interval
from hasten.report.charts.scale import Scale, log_padded, tick_words
from hasten.report.charts.svg import drawing, element, line, text, title

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 26.0, 42.0


@dataclass(frozen=True)
class Prediction:
    """One dot: the ratio that was expected, the one that was measured, its CSS class "is-KIND", and words for it."""

    expected: Interval
    measured: Interval
    kind: str
    words: str


def scatter(dots: Sequence[Prediction], *, width: float, height: float, label: str, x_name: str, y_name: str) -> str:
    """Return the dots with their intervals, both axes logarithmic and of the same range, and the diagonal.

    Args:
        dots: at least one; intervals above 0.
        width: of the drawing.
        height: of the drawing.
        label: what the chart shows.
        x_name: words under the axis of what was expected.
        y_name: words over the axis of what was measured.
    """
    ends = [end for dot in dots for one in (dot.expected, dot.measured) for end in (one.low, one.value, one.high)]
    low, high = log_padded([*ends, 1.0, 1.1])
    x = Scale(low, high, _LEFT, width - _RIGHT, log=True)
    y = Scale(low, high, height - _BOTTOM, _TOP, log=True)
    marks: list[str] = []
    for tick in x.ticks(6):
        marks.append(line(x.place(tick), y.start, x.place(tick), y.end, "grid"))
        marks.append(text(f"{tick_words(tick)}x", x=x.place(tick), y=y.start + 17, class_="tick", anchor="middle"))
        marks.append(line(x.start, y.place(tick), x.end, y.place(tick), "grid"))
        marks.append(text(f"{tick_words(tick)}x", x=x.start - 7, y=y.place(tick) + 4, class_="tick", anchor="end"))
    return drawing(
        *marks,
        line(x.start, y.start, x.end, y.end, "one"),
        *(_dot(dot, x, y) for dot in dots),
        text(y_name, x=0.0, y=13.0, class_="axis-name strong"),
        text(x_name, x=width - _RIGHT, y=height - 6, class_="axis-name", anchor="end"),
        width=width,
        height=height,
        label=label,
    )


def _dot(dot: Prediction, x: Scale, y: Scale) -> str:
    across, up = x.place(dot.expected.value), y.place(dot.measured.value)
    return element(
        "g",
        title(dot.words),
        line(x.place(dot.expected.low), up, x.place(dot.expected.high), up, "whisker"),
        line(across, y.place(dot.measured.low), across, y.place(dot.measured.high), "whisker"),
        element("circle", cx=across, cy=up, r=5, class_="dot"),
        class_=f"is-{dot.kind}",
    )
