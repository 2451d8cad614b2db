"""What a table holds."""

import numpy as np
from numpy.typing import NDArray

from hasten.base.records.inspection import ColumnSummary, Inspection
from hasten.base.units import percent, plural
from hasten.data.inspect.summary import category_summary, class_counts, class_problems, number_summary, source_bytes
from hasten.data.tables.leakage import leaks
from hasten.data.tables.table import Table

_EXAMPLES = 8
_MOSTLY_MISSING = 0.5
_IDENTIFIER_SHARE = 0.9
_CAPPED_SHARE = 0.01


def inspect_table(table: Table) -> Inspection:
    """Return the summary of a table; its target is the last column."""
    numbers = [number_summary(name, table.numbers[:, place]) for place, name in enumerate(table.number_names)]
    categories = [
        category_summary(name, table.codes[:, place], table.categories[place])
        for place, name in enumerate(table.code_names)
    ]
    if table.classes:
        target = category_summary(table.target_name, table.target, table.classes, kind="class")
    else:
        target = number_summary(table.target_name, table.target)
    features = np.concatenate([_as_bytes(table.numbers), _as_bytes(table.codes)], axis=1)
    rows = np.concatenate([features, _as_bytes(table.target[:, None])], axis=1)
    distinct_rows = _distinct(rows)
    duplicates = len(table) - distinct_rows
    return Inspection(
        source=str(table.source),
        kind="table",
        num_samples=len(table),
        examined=len(table),
        nbytes=source_bytes(table.source),
        duplicates=duplicates,
        classes=class_counts(table.target.astype(np.int64), table.classes) if table.classes else (),
        columns=(*numbers, *categories, target),
        rows=tuple(_row(table, place) for place in range(min(_EXAMPLES, len(table)))),
        problems=(
            *table.skipped,
            *table.notes,
            *leaks(table),
            *(sentence for column in (*numbers, *categories) for sentence in _column_problems(column, len(table))),
            *_target_problems(table),
            *_repetition_problems(len(table), distinct_rows, _distinct(features)),
        ),
    )


def _column_problems(column: ColumnSummary, num_rows: int) -> list[str]:
    problems: list[str] = []
    if column.missing > _MOSTLY_MISSING * num_rows:
        problems.append(f"Column {column.name!r} is missing in {percent(column.missing / num_rows)} of the rows.")
    elif column.missing:
        problems.append(f"Column {column.name!r} is missing in {plural(column.missing, 'row')}.")
    if column.distinct is not None and column.distinct <= 1:
        problems.append(f"Column {column.name!r} has the same value in every row.")
    if column.kind == "category" and (column.distinct or 0) > _IDENTIFIER_SHARE * num_rows:
        problems.append(
            f"Column {column.name!r} has a different value in nearly every row: an identifier or text, not a category."
        )
    return problems


def _target_problems(table: Table) -> list[str]:
    if table.classes:
        return class_problems(table.target.astype(np.int64), table.classes, {})
    highest = table.target.max()
    capped = int((table.target == highest).sum())
    if capped <= _CAPPED_SHARE * len(table) or len(np.unique(table.target)) < 100:
        return []
    return [f"{plural(capped, 'row')} share the highest value of {table.target_name!r}, {highest:g}: probably capped."]


def _repetition_problems(num_rows: int, distinct_rows: int, distinct_features: int) -> list[str]:
    problems: list[str] = []
    if distinct_rows < num_rows:
        repeated, share = plural(num_rows - distinct_rows, "row"), percent(1 - distinct_rows / num_rows)
        problems.append(f"Duplicates: {repeated} ({share}) equal to an earlier one.")
    if distinct_features < distinct_rows:
        contradicting = plural(distinct_rows - distinct_features, "row")
        problems.append(f"Contradictions: {contradicting} equal to another one in all columns but the target.")
    return problems


def _as_bytes(matrix: NDArray[np.float64] | NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.uint8]:
    width = matrix.shape[1] * matrix.itemsize
    return np.ascontiguousarray(matrix).view(np.uint8).reshape(len(matrix), width)


def _distinct(rows: NDArray[np.uint8]) -> int:
    if not rows.shape[1]:
        return 1
    return len(np.unique(np.ascontiguousarray(rows).view(f"V{rows.shape[1]}")))


def _row(table: Table, place: int) -> tuple[str, ...]:
    numbers = ["" if np.isnan(value) else f"{value:g}" for value in table.numbers[place]]
    codes = ["" if code < 0 else names[code] for code, names in zip(table.codes[place], table.categories, strict=True)]
    target = table.classes[int(table.target[place])] if table.classes else f"{table.target[place]:g}"
    return (*numbers, *codes, target)
