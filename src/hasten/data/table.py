"""Tables: a delimited text file as one matrix of numbers, one of category codes, and a target."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput, unknown_name
from hasten.data.delimited import INFERRED, Columns, Dialect, is_number, read_columns

TargetKind = Literal["number", "class"]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")
_MAX_WHOLE_CLASSES = 20
_NUMBERS_SHARE = 0.9
_LARGEST = float(np.finfo(np.float32).max)


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

    Raises:
        BadInput: as `read_columns`; if a column does not exist, a target is missing, a number is not finite, or text
            stands in a column of numbers (names the row and the column).
    """
    columns = read_columns(path, dialect)
    goal = _target_place(columns, target)
    for name in (*text, *drop):
        if name not in columns.names:
            raise unknown_name("column", name, columns.names)
    numbers: dict[str, NDArray[np.float32]] = {}
    codes: dict[str, tuple[NDArray[np.int32], tuple[str, ...]]] = {}
    for place, name in enumerate(columns.names):
        if place == goal or name in drop:
            continue
        values = None if name in text else _numbers(columns, place, dialect.missing)
        if values is None:
            codes[name] = _categories(columns.fields[place], dialect.missing)
        else:
            numbers[name] = values
    values, classes = _target(columns, goal, kind, dialect.missing)
    shape = (len(columns), 0)
    return Table(
        source=path,
        numbers=np.stack(list(numbers.values()), axis=1) if numbers else np.empty(shape, np.float32),
        number_names=tuple(numbers),
        codes=np.stack([part for part, _ in codes.values()], axis=1) if codes else np.empty(shape, np.int32),
        code_names=tuple(codes),
        categories=tuple(names for _, names in codes.values()),
        target=values,
        target_name=columns.names[goal],
        classes=classes,
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


def _target_place(columns: Columns, target: str | int) -> int:
    if isinstance(target, str):
        if target not in columns.names:
            raise unknown_name("target column", target, columns.names)
        return columns.names.index(target)
    width = len(columns.names)
    if not -width <= target < width:
        raise BadInput(f"{columns.path} has {width} columns; found {target} for the place of the target.")
    return target % width


def _target(
    columns: Columns, place: int, kind: TargetKind | None, missing: frozenset[str]
) -> tuple[NDArray[np.float32] | NDArray[np.int64], tuple[str, ...]]:
    fields = columns.fields[place]
    for row, field in enumerate(fields):
        if field in missing:
            raise BadInput(f"{columns.place(row, place)}: a target must be present; found {field!r}. Remove the row.")
    numbers = _numbers(columns, place, missing)
    if kind == "number" and numbers is None:
        row = next(row for row, field in enumerate(fields) if not is_number(field))
        raise BadInput(f"{columns.place(row, place)}: the target must be a number; found {fields[row]!r}.")
    if kind is None:
        kind = "class" if numbers is None or _few_whole(numbers) else "number"
    if kind == "number" and numbers is not None:
        return numbers, ()
    codes, classes = _categories(fields, missing)
    return codes.astype(np.int64), classes


def _few_whole(values: NDArray[np.float32]) -> bool:
    distinct = np.unique(values)
    return len(distinct) <= _MAX_WHOLE_CLASSES and bool((distinct == np.round(distinct)).all())


def _numbers(columns: Columns, place: int, missing: frozenset[str]) -> NDArray[np.float32] | None:
    """Return a column as numbers, or None if it is text."""
    fields = columns.fields[place]
    counts = Counter(fields)
    present = [field for field in counts if field not in missing]
    good = [field for field in present if is_number(field)]
    if not good:
        return _dates(fields, present, missing)
    if len(good) < len(present):
        rows_good, rows = (sum(counts[field] for field in part) for part in (good, present))
        if rows_good < _NUMBERS_SHARE * rows:
            return None
        odd = next(field for field in present if not is_number(field))
        raise BadInput(
            f"{columns.place(fields.index(odd), place)}: expected a number, as in {rows_good} of {rows} rows; found "
            f"{odd!r}. Correct the field, list it among the missing values, or take the column as text."
        )
    value_of = {field: float(field) for field in good}
    for field, value in value_of.items():
        if not abs(value) <= _LARGEST:
            raise BadInput(
                f"{columns.place(fields.index(field), place)}: a number must be finite and fit float32; found "
                f"{field!r}. Correct the field or list it among the missing values."
            )
    value_of |= dict.fromkeys(missing, np.nan)
    return np.fromiter(map(value_of.__getitem__, fields), np.float32, len(fields))


def _dates(fields: list[str], present: list[str], missing: frozenset[str]) -> NDArray[np.float32] | None:
    """Return a column of ISO dates as days since 1970-01-01, or None if it holds anything else."""
    if not present or not all(map(_DATE.fullmatch, present)):
        return None
    try:
        days = np.array(present, "datetime64[ms]").astype(np.float64) / 86_400_000
    except ValueError:  # the pattern fits, but there is no such day: 2024-02-31
        return None
    value_of = dict(zip(present, days, strict=True)) | dict.fromkeys(missing, np.nan)
    return np.fromiter(map(value_of.__getitem__, fields), np.float32, len(fields))


def _categories(fields: list[str], missing: frozenset[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Return a column as codes and the distinct values that they stand for, numbers in the order of their size."""
    names = set(fields) - missing
    ordered = sorted(names, key=float) if names and all(map(is_number, names)) else sorted(names)
    code_of = {name: code for code, name in enumerate(ordered)} | dict.fromkeys(missing, -1)
    return np.fromiter(map(code_of.__getitem__, fields), np.int32, len(fields)), tuple(ordered)
