"""A source of data on the terminal: what it holds, and what stands out in it."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hasten.base.records.inspection import ColumnSummary, Inspection
from hasten.base.units import percent
from hasten.report.inspection_words import balance, cut, head_line, named_counts, range_words
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import whole

_BAR = 24
_SHOWN = 20
_ROW_FIELDS = 8


def inspection_view(inspection: Inspection) -> RenderableType:
    """Return the summary of a source: counts, classes, columns, some samples, and what stands out."""
    parts: list[RenderableType] = [_head(inspection)]
    if inspection.classes:
        note = f"{len(inspection.classes)}; {balance(inspection.classes)}"
        parts.append(section("Classes", grid(_class_rows(inspection.classes), right=frozenset({1, 2})), note=note))
    if inspection.columns:
        parts.append(_columns(inspection))
    if inspection.rows:
        parts.append(section("Samples", grid([_fields(row) for row in inspection.rows])))
    if inspection.problems:
        parts.append(section("What stands out", *(Text(f"! {one}", style="yellow") for one in inspection.problems)))
    return Group(*parts)


def _head(inspection: Inspection) -> RenderableType:
    lines = [Text(head_line(inspection)), *(Text(f"{name}: {words}") for name, words in named_counts(inspection))]
    return section("Source", *lines, note=inspection.source)


def _class_rows(classes: Sequence[tuple[str, int]]) -> list[tuple[RenderableType, ...]]:
    total, largest = sum(number for _, number in classes), max(number for _, number in classes)
    shown = [
        (Text(cut(name)), Text(whole(number)), quiet(percent(number / total)), _bar(number / largest))
        for name, number in classes[:_SHOWN]
    ]
    return [*shown, *_more(len(classes) - _SHOWN, 4)]


def _columns(inspection: Inspection) -> RenderableType:
    """Return a line per column: its kind, how much is missing, its range or its most frequent values."""
    rows: list[tuple[RenderableType, ...]] = [
        (Text(cut(one.name)), quiet(one.kind), _missing(one), Text(range_words(one)))
        for one in inspection.columns[:_SHOWN]
    ]
    rows += _more(len(inspection.columns) - _SHOWN, 4)
    examined = inspection.examined < inspection.num_samples
    note = f"from {whole(inspection.examined)} samples, evenly spread" if examined else ""
    return section("Columns", grid(rows, right=frozenset({2})), note=note)


def _missing(column: ColumnSummary) -> Text:
    return Text(f"{whole(column.missing)} missing", style="yellow") if column.missing else Text("")


def _fields(row: Sequence[str]) -> tuple[RenderableType, ...]:
    """Return the first fields of a sample, each on one line and not too long."""
    shown = [Text(cut(" ".join(field.split()))) for field in row[:_ROW_FIELDS]]
    return (*shown, quiet("...")) if len(row) > _ROW_FIELDS else tuple(shown)


def _more(number: int, cells: int) -> list[tuple[RenderableType, ...]]:
    return [(quiet(f"... and {number} more"), *[Text("")] * (cells - 1))] if number > 0 else []


def _bar(share: float) -> Text:
    return Text("━" * max(1, round(_BAR * share)), style="blue")
