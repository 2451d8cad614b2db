"""Tables: a delimited text file as one matrix of numbers, one of category codes, and a target."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput, unknown_name
from hasten.data.sources.on_error import OnBad
from hasten.data.tables.delimited import INFERRED, Columns, Dialect, read_columns
from hasten.data.tables.fields import Categories, Column, Numbers, categorize, faults, parse

TargetKind = Literal["number", "class"]
MAX_WHOLE_CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table in memory. n rows, d columns of numbers, c columns of categories.

    Dates are numbers: days since 1970-01-01.

    Args:
        source: the file it was read from.
        numbers: (n, d) float32; NaN where missing.
        number_names: the d names.
        codes: (n, c) int32, places in `categories`; -1 where missing.
        code_names: the c names.
        categories: the distinct values of each of the c columns, sorted.
        target: (n,) float32 for regression, int64 places in `classes` for classification.
        target_name: the name of the target column.
        classes: the distinct values of the target, in their order; empty for regression.
        skipped: the message of each row that was left out.
    """

    source: Path
    numbers: NDArray[np.float32]
    number_names: tuple[str, ...]
    codes: NDArray[np.int32]
    code_names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    target: NDArray[np.float32] | NDArray[np.int64]
    target_name: str
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)


def read_table(
    path: Path,
    target: str | int,
    *,
    dialect: Dialect = INFERRED,
    kind: TargetKind | None = None,
    text: Collection[str] = (),
    drop: Collection[str] = (),
    on_bad: OnBad = "raise",
) -> Table:
    """Read a table from CSV or TSV, compressed or not.

    A column whose present fields are all numbers is numeric, all ISO dates a date, anything else categorical.

    Args:
        path: the file.
        target: the name or the place of the column to predict; -1 is the last one.
        dialect: how the file is written.
        kind: whether the target is a number or a class. Found out where None: a class if it is text or has at most
            20 distinct values, all whole.
        text: columns of numbers that are names in truth (a postal code), to be taken as categories.
        drop: columns to leave out.
        on_bad: whether a row with a fault is an error or left out.

    Raises:
        BadInput: as `read_columns`; if a column does not exist; under "raise", if a target is missing, a number is not
            finite, or text stands in a column of numbers (names the row and the column).
    """
    columns = read_columns(path, dialect, on_bad=on_bad)
    return table_of(columns, target, missing=dialect.missing, kind=kind, text=text, drop=drop, on_bad=on_bad)


def table_of(
    columns: Columns,
    target: str | int,
    *,
    missing: frozenset[str],
    kind: TargetKind | None = None,
    text: Collection[str] = (),
    drop: Collection[str] = (),
    on_bad: OnBad = "raise",
) -> Table:
    """Return the table that columns of text hold; see `read_table`."""
    goal = columns.find(target)
    for name in (*text, *drop):
        if name not in columns.names:
            raise unknown_name("column", name, columns.names)
    columns = columns.without(columns.lacking(goal, missing), on_bad)
    places = {name: place for place, name in enumerate(columns.names) if place != goal and name not in drop}
    if on_bad == "skip":
        numeric = [place for name, place in places.items() if name not in text] + [goal] * (kind != "class")
        found_faults = [fault for place in numeric for fault in faults(columns, place, missing)]
        columns = columns.without(found_faults, on_bad)
    parsed: dict[str, Column] = {
        name: categorize(columns.fields[place], missing) if name in text else parse(columns, place, missing)
        for name, place in places.items()
    }
    fields = columns.fields[goal]
    found = categorize(fields, missing) if kind == "class" else parse(columns, goal, missing)
    if kind is None and isinstance(found, Numbers) and few_whole(found.values):
        found = categorize(fields, missing)
    if kind == "number" and isinstance(found, Categories):
        raise BadInput(
            f"{columns.path}, column {columns.names[goal]!r}: the target must be a number; found "
            f"{len(found.names)} texts, the first {found.names[0]!r}. Choose another column, or predict a class."
        )
    table = assemble(columns.path, parsed, target_name=columns.names[goal], target=found)
    return replace(table, skipped=columns.skipped)


def assemble(source: Path, columns: dict[str, Column], *, target_name: str, target: Column) -> Table:
    """Return the table made of these columns, all of one length.

    Args:
        source: where they come from.
        columns: the columns to predict from, by name.
        target_name: the name of the target.
        target: the column to predict, without missing values.
    """
    rows = len(target.values if isinstance(target, Numbers) else target.codes)
    numbers = {name: column.values for name, column in columns.items() if isinstance(column, Numbers)}
    categories = {name: column for name, column in columns.items() if isinstance(column, Categories)}
    codes = [column.codes for column in categories.values()]
    return Table(
        source=source,
        numbers=np.stack(list(numbers.values()), axis=1) if numbers else np.empty((rows, 0), np.float32),
        number_names=tuple(numbers),
        codes=np.stack(codes, axis=1) if codes else np.empty((rows, 0), np.int32),
        code_names=tuple(categories),
        categories=tuple(column.names for column in categories.values()),
        target=target.values if isinstance(target, Numbers) else target.codes.astype(np.int64),
        target_name=target_name,
        classes=() if isinstance(target, Numbers) else target.names,
    )


def rename_classes(table: Table, names: dict[str, str]) -> Table:
    """Return the table with classes renamed: {"<=50K.": "<=50K"}.

    Raises:
        BadInput: if a class to rename does not exist.
    """
    for name in names:
        if name not in table.classes:
            raise unknown_name("class", name, table.classes)
    return replace(table, classes=tuple(names.get(name, name) for name in table.classes))


def few_whole(values: NDArray[np.float32]) -> bool:
    """Return whether numbers are so few and so plain that they are likely to be names of classes."""
    distinct = np.unique(values)
    return len(distinct) <= MAX_WHOLE_CLASSES and bool((distinct == np.round(distinct)).all())
