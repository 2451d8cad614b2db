"""Parquet files as tables, read by pyarrow where it is installed."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hasten.base.errors import BadInput, unknown_name
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.sources.optional import require
from hasten.data.tables.fields import LARGEST, Categories, Column, Numbers
from hasten.data.tables.table import Table, TargetKind, assemble, few_whole


def read_parquet(
    path: Path,
    target: str | int,
    *,
    kind: TargetKind | None = None,
    drop: Collection[str] = (),
    on_bad: OnBad = "raise",
) -> Table:
    """Read a table from a Parquet file; its own types say which columns are numbers, dates or categories.

    Args:
        path: the file.
        target: the name or the place of the column to predict; -1 is the last one.
        kind: whether the target is a number or a class; found out as in `read_table` where None.
        drop: columns to leave out.
        on_bad: whether a row without its target, or with a number that is not finite, is an error or left out.

    Raises:
        BadInput: if pyarrow is not installed, the file is damaged, a column does not exist or is of a type that a
            table cannot hold, no row is left, or, under "raise", a target is missing or a number is not finite (names
            the row and the column).
    """
    data = _read(path)
    target = _name(path, target, data.column_names)
    for name in (target, *drop):
        if name not in data.column_names:
            raise unknown_name("column", name, data.column_names)
    inputs = [name for name in data.column_names if name not in {target, *drop}]
    skipped = list[str]()
    bad = _bad_rows(path, data, target, inputs)
    for row in sorted(bad):
        leave_out(bad[row], on_bad, skipped)
    data = data.take(np.setdiff1d(np.arange(data.num_rows), list(bad)))
    if not data.num_rows:
        raise BadInput(f"{path} must hold a row that can be used; found none. The first one: {skipped[0]}")
    columns = {name: _column(path, name, data[name]) for name in inputs}
    goal = data[target]
    found = _column(path, target, goal)
    if isinstance(found, Numbers) and (kind == "class" or (kind is None and few_whole(found.values))):
        found = _categories(goal)
    if kind == "number" and isinstance(found, Categories):
        raise BadInput(f"{path}, column {target!r}: the target must be a number; found {goal.type}.")
    return replace(assemble(path, columns, target_name=target, target=found), skipped=tuple(skipped))


def _bad_rows(path: Path, data: Any, target: str, inputs: Sequence[str]) -> dict[int, BadInput]:
    """Return the first error of each row that lacks its target or has a number that is not finite."""
    bad = dict[int, BadInput]()
    for row in np.flatnonzero(data[target].is_null().to_numpy()).tolist():
        bad[row] = BadInput(
            f"{path}, row {row + 1}, column {target!r}: a target must be present; found none. Remove the row."
        )
    for name in (*inputs, target):
        if not _is_number(data[name].type):
            continue
        values = _with_nan(data[name])
        wrong = ~(np.abs(values) <= LARGEST) & ~(np.isnan(values) & data[name].is_null().to_numpy())
        for row in np.flatnonzero(wrong).tolist():
            bad.setdefault(
                row,
                BadInput(
                    f"{path}, row {row + 1}, column {name!r}: a number must be finite and fit float32; found "
                    f"{values[row]}. Correct it."
                ),
            )
    return bad


def _read(path: Path) -> Any:
    pyarrow = _arrow()
    try:
        data = _arrow("parquet").read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(f"{path} must be a whole Parquet file; found: {error}. Get the file again.") from error
    if not data.num_rows:
        raise BadInput(f"{path} must hold at least one row; found none.")
    return data


def _name(path: Path, target: str | int, names: list[str]) -> str:
    if isinstance(target, str):
        return target
    if not -len(names) <= target < len(names):
        raise BadInput(f"{path} has {len(names)} columns; found {target} for the place of the target.")
    return names[target]


def _column(path: Path, name: str, column: Any) -> Column:
    compute, types = _arrow("compute"), _arrow("types")
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_string(kind) or types.is_large_string(kind):
        return _categories(column)
    if types.is_timestamp(kind) or types.is_date(kind):
        milliseconds = compute.cast(compute.cast(column, "timestamp[ms]", safe=False), "int64")
        return Numbers((_with_nan(milliseconds) / 86_400_000).astype(np.float32))
    if _is_number(column.type):
        return Numbers(_with_nan(column).astype(np.float32))
    raise BadInput(
        f"{path}, column {name!r}: a table holds numbers, dates and text; found {column.type}. Drop the column."
    )


def _is_number(kind: Any) -> bool:
    types = _arrow("types")
    return types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def _with_nan(column: Any) -> Any:
    """Return a column as float64 with NaN where it is null."""
    return _arrow("compute").cast(column, "float64", safe=False).to_numpy()


def _categories(column: Any) -> Categories:
    text = _arrow("compute").cast(column, "string")
    names = sorted(text.unique().drop_null().to_pylist(), key=_by_size(column))
    code_of = {name: code for code, name in enumerate(names)} | {None: -1}
    codes = np.fromiter((code_of[value] for value in text.to_pylist()), np.int32, len(text))
    return Categories(codes, tuple(names))


def _by_size(column: Any) -> Any:
    types = _arrow("types")
    return float if types.is_integer(column.type) or types.is_floating(column.type) else None


def _arrow(part: str = "") -> Any:
    return require(f"pyarrow.{part}" if part else "pyarrow", package="pyarrow", what="Parquet files")
