"""A source of data on the terminal: what it holds, and what stands out in it."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hasten.base.records.inspection import ColumnSummary, Inspection
from hasten.base.units import nbytes, percent
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import whole

_BAR = 24
_SHOWN = 20
_FIELD_CHARACTERS = 60
_ROW_FIELDS = 8


def inspection_view(inspection: Inspection) -> RenderableType:
    """Return the summary of a source: counts, classes, columns, some samples, and what stands out."""
    parts: list[RenderableType] = [_head(inspection)]
    if inspection.classes:
        note = f"{len(inspection.classes)}; {_balance(inspection.classes)}"
        parts.append(section("Classes", grid(_class_rows(inspection.classes), right=frozenset({1, 2})), note=note))
    if inspection.columns:
        parts.append(_columns(inspection))
    if inspection.rows:
        parts.append(section("Samples", grid([_fields(row) for row in inspection.rows])))
    if inspection.problems:
        parts.append(section("What stands out", *(Text(f"! {one}", style="yellow") for one in inspection.problems)))
    return Group(*parts)


def _head(inspection: Inspection) -> RenderableType:
    unit = "characters" if inspection.kind == "tokens" else "samples"
    lines = [Text(f"{inspection.kind}: {whole(inspection.num_samples)} {unit}, {nbytes(inspection.nbytes)}")]
    for name, pairs in (("splits", inspection.splits), ("sizes", inspection.shapes)):
        if pairs:
            lines.append(Text(f"{name}: {', '.join(f'{key} ({whole(number)})' for key, number in pairs)}"))
    return section("Source", *lines, note=inspection.source)


def _balance(classes: Sequence[tuple[str, int]]) -> str:
    """Return how uneven the classes are, as the most frequent against the rarest."""
    counts = [number for _, number in classes]
    if min(counts) == max(counts):
        return "all of one size"
    rarest = min(counts)
    return f"the largest has {max(counts) / rarest:.3g} times the smallest" if rarest else "some are empty"


def _class_rows(classes: Sequence[tuple[str, int]]) -> list[tuple[RenderableType, ...]]:
    total, largest = sum(number for _, number in classes), max(number for _, number in classes)
    shown = [
        (Text(_cut(name)), Text(whole(number)), quiet(percent(number / total)), _bar(number / largest))
        for name, number in classes[:_SHOWN]
    ]
    return [*shown, *_more(len(classes) - _SHOWN, 4)]


def _columns(inspection: Inspection) -> RenderableType:
    """Return a line per column: its kind, how much is missing, its range or its most frequent values."""
    rows: list[tuple[RenderableType, ...]] = [
        (Text(_cut(one.name)), quiet(one.kind), _missing(one), Text(_range(one))) for one in inspection.columns[:_SHOWN]
    ]
    rows += _more(len(inspection.columns) - _SHOWN, 4)
    examined = inspection.examined < inspection.num_samples
    note = f"from {whole(inspection.examined)} samples, evenly spread" if examined else ""
    return section("Columns", grid(rows, right=frozenset({2})), note=note)


def _missing(column: ColumnSummary) -> Text:
    return Text(f"{whole(column.missing)} missing", style="yellow") if column.missing else Text("")


def _range(column: ColumnSummary) -> str:
    if column.low is not None and column.high is not None:
        mean = f", mean {_number(column.mean)}" if column.mean is not None else ""
        std = f", std {_number(column.std)}" if column.std is not None else ""
        return f"{_number(column.low)} to {_number(column.high)}{mean}{std}"
    values = ", ".join(f"{_cut(value)} ({whole(number)})" for value, number in column.top)
    return f"{whole(column.distinct)} values: {values}" if column.distinct is not None else values


def _number(value: float) -> str:
    """Return four digits, or all in front of the point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def _fields(row: Sequence[str]) -> tuple[RenderableType, ...]:
    """Return the first fields of a sample, each on one line and not too long."""
    cut = [Text(_cut(" ".join(field.split()))) for field in row[:_ROW_FIELDS]]
    return (*cut, quiet("...")) if len(row) > _ROW_FIELDS else tuple(cut)


def _more(number: int, cells: int) -> list[tuple[RenderableType, ...]]:
    return [(quiet(f"... and {number} more"), *[Text("")] * (cells - 1))] if number > 0 else []


def _cut(text: str) -> str:
    return text if len(text) <= _FIELD_CHARACTERS else f"{text[: _FIELD_CHARACTERS - 3]}..."


def _bar(share: float) -> Text:
    return Text("━" * max(1, round(_BAR * share)), style="blue")
