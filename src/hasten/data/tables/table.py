"""Tables: the columns of a file as one matrix of numbers, one of category codes, and a target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput, unknown_name
from hasten.base.units import plural
from hasten.data.sources.on_error import OnBad
from hasten.data.tables.columns import Columns
from hasten.data.tables.delimited import INFERRED, MISSING, Dialect, read_columns
from hasten.data.tables.fields import Categories, Column, Numbers, Parsed, decimal_hint, faults, parse
from hasten.data.tables.notation import DecimalMark
from hasten.data.tables.parquet import read_parquet_columns

TargetKind = Literal["number", "classes"]
MAX_WHOLE_CLASSES = 20
_LIKELY_CLASSES = 200
_WRITTEN_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " "}


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How to read a table; the defaults detect everything.

    Args:
        dialect: how a text file is written; of a Parquet file, only `missing` and `decimal` count, for columns of text.
        target_kind: whether the target is a number or a class. If None, it is a class if it is text or has at most 20
            distinct values, all whole.
        text: columns to take as categories although they hold numbers (a postal code).
        drop: columns to leave out.
        on_bad: whether a row with a fault is an error or skipped.
    """

    dialect: Dialect = INFERRED
    target_kind: TargetKind | None = None
    text: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    on_bad: OnBad = "raise"


DETECTED = TableOptions()
"""Everything detected, and the first fault is an error."""


class Reading(TypedDict, total=False):
    """The options of a table as a person writes them; see `TableOptions`."""

    delimiter: str | None
    header: bool | None
    decimal: DecimalMark | None
    missing: str | Sequence[str]
    target_kind: TargetKind | None
    text: str | Sequence[str]
    drop: str | Sequence[str]
    on_bad: OnBad


def table_options(**given: Unpack[Reading]) -> TableOptions:
    """Return the options that a person gave; `missing` adds to what is taken as missing anyway.

    A delimiter may be written as "tab", "\\t" or "space".

    Raises:
        BadInput: if a value is not one of those that are known.
    """
    for name, known in (("target_kind", get_args(TargetKind)), ("decimal", get_args(DecimalMark))):
        if given.get(name) not in (None, *known):
            raise unknown_name(name.replace("_", " "), str(given.get(name)), known)
    delimiter = given.get("delimiter")
    delimiter = _WRITTEN_DELIMITERS.get(delimiter, delimiter) if delimiter else None
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise BadInput(f"a delimiter must be one character that is no quote and no line end; found {delimiter!r}.")
    return TableOptions(
        dialect=Dialect(
            delimiter=delimiter,
            header=given.get("header"),
            decimal=given.get("decimal"),
            missing=MISSING | {*_listed(given.get("missing", ()))},
        ),
        target_kind=given.get("target_kind"),
        text=_listed(given.get("text", ())),
        drop=_listed(given.get("drop", ())),
        on_bad=given.get("on_bad", "raise"),
    )


def _listed(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table in memory. n rows, d columns of numbers, c columns of categories.

    Dates are numbers: days since 1970-01-01.

    Args:
        source: the file it was read from.
        numbers: (n, d) float64; NaN where missing. float32 could not tell seconds of Unix time apart.
        number_names: the d names.
        codes: (n, c) int32, indices into `categories`; -1 where missing.
        code_names: the c names.
        categories: the distinct values of each of the c columns, sorted.
        target: (n,) float64 for regression, int64 indices into `classes` for classification.
        target_name: the name of the target column.
        classes: the distinct values of the target, in their order; empty for regression.
        skipped: the message of each row that was skipped.
        decision: why the target is a number or classes, in one sentence; empty if it was asked for.
        notes: what else was decided while reading, one sentence each.
    """

    source: Path
    numbers: NDArray[np.float64]
    number_names: tuple[str, ...]
    codes: NDArray[np.int32]
    code_names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    target: NDArray[np.float64] | NDArray[np.int64]
    target_name: str
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    decision: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)


def read_table(path: Path, target: str | int, options: TableOptions = DETECTED) -> Table:
    """Read a table from CSV or TSV, compressed or not, or from Parquet.

    Args:
        path: the file.
        target: the name or the index of the column to predict; -1 is the last one.
        options: how to read it.

    Raises:
        BadInput: as `columns_of` and `table_of`.
    """
    return table_of(columns_of(path, options), target, options)


def columns_of(path: Path, options: TableOptions = DETECTED) -> Columns:
    """Return the columns of a table file, known by its ending.

    Raises:
        BadInput: as `read_columns` and `read_parquet_columns`.
    """
    if ".parquet" in {suffix.lower() for suffix in path.suffixes}:
        return read_parquet_columns(path)
    return read_columns(path, options.dialect, on_bad=options.on_bad)


def table_of(columns: Columns, target: str | int, options: TableOptions = DETECTED) -> Table:
    """Return the table that columns hold; see `read_table`.

    Empty rows, empty columns and an unnamed column that counts the rows are left out.

    Raises:
        BadInput: if a column does not exist or has a type that a table cannot hold, no row is left, or, under "raise",
            a target is missing or a field does not fit its column (names the row and the column).
    """
    goal = columns.find(target)
    parse_all = _parser(columns, goal, options)
    columns, parsed, empty_note = _without_empty_rows(columns, parse_all(columns), parse_all)
    columns, parsed = _without_faults(columns, parsed, parse_all, goal, options.on_bad)
    useless = _useless(columns, parsed, goal)
    found, decision = _target(columns, goal, parsed[goal], options)
    table = assemble(
        columns.path,
        {name: one.column for name, one in parsed.items() if name != goal and name not in useless},
        target_name=goal,
        target=found,
    )
    parse_notes = [note for one in parsed.values() for note in one.notes]
    notes = (*columns.notes, *empty_note, *parse_notes, *useless.values())
    return replace(table, skipped=columns.skipped, notes=notes, decision=decision)


_ParseAll: TypeAlias = Callable[[Columns], dict[str, Parsed]]
"""Columns in -> each column that is kept, parsed, by name."""


def _parser(columns: Columns, goal: str, options: TableOptions) -> _ParseAll:
    """Return the function that parses columns, with the notation of numbers that all rows together suggest.

    Raises:
        BadInput: if a column that is named in the options does not exist, or the target is dropped.
    """
    text, drop = columns.find_all(options.text), columns.find_all(options.drop)
    if goal in drop:
        raise BadInput(f"{columns.path}: column {goal!r} is the target, so it cannot be dropped.")
    names = [name for name in columns.names if name not in drop]
    as_text = {*text, *([goal] if options.target_kind == "classes" else [])}
    missing = _missing_marks(options)
    hint = decimal_hint(columns, names, missing)

    def parse_all(some: Columns) -> dict[str, Parsed]:
        decimal = options.dialect.decimal
        return {
            name: parse(some, name, missing=missing, decimal=decimal, hint=hint, as_text=name in as_text)
            for name in names
        }

    return parse_all


def _missing_marks(options: TableOptions) -> set[str]:
    return {mark.lower() for mark in options.dialect.missing}


def _without_empty_rows(
    columns: Columns, parsed: dict[str, Parsed], parse_all: _ParseAll
) -> tuple[Columns, dict[str, Parsed], tuple[str, ...]]:
    """Return the columns without empty rows, unless all are, and a note that says how many there were."""
    filled = ~np.all([one.missing() for one in parsed.values()], axis=0)
    if filled.all() or not filled.any():
        return columns, parsed, ()
    kept = columns.where(filled)
    return kept, parse_all(kept), (f"{columns.path}: {plural(int(np.sum(~filled)), 'empty row')} left out",)


def _without_faults(
    columns: Columns, parsed: dict[str, Parsed], parse_all: _ParseAll, goal: str, on_bad: OnBad
) -> tuple[Columns, dict[str, Parsed]]:
    """Return the columns without rows that lack the target or have a field that does not fit its column.

    Raises:
        BadInput: if there is such a row and `on_bad` is "raise", or no row is left.
    """
    found = [
        *_lacking(columns, goal, parsed[goal]),
        *(fault for name, one in parsed.items() for fault in faults(columns, name, one)),
    ]
    if not found:
        return columns, parsed
    kept = columns.without(found, on_bad)
    return kept, parse_all(kept)


def assemble(source: Path, columns: Mapping[str, Column], *, target_name: str, target: Column) -> Table:
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
        numbers=np.stack(list(numbers.values()), axis=1) if numbers else np.empty((rows, 0)),
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


def _lacking(columns: Columns, goal: str, parsed: Parsed) -> list[tuple[int, str]]:
    """Return each row in which the target is missing, with the message that says so."""
    rows = np.flatnonzero(parsed.missing()).tolist()
    texts = columns.texts(goal) if rows else []
    advice = "Remove the row, or skip such rows with --skip-bad."
    return [
        (row, f"{columns.location(row, goal)}: a target must be present; found {texts[row]!r}. {advice}")
        for row in rows
    ]


def _useless(columns: Columns, parsed: Mapping[str, Parsed], goal: str) -> dict[str, str]:
    """Return the columns that tell nothing about a row, with a note each: empty ones, and an unnamed row number."""
    notes: dict[str, str] = {}
    for place, name in enumerate(columns.names):
        if name == goal or name not in parsed:
            continue
        one = parsed[name].column
        if parsed[name].missing().all():
            notes[name] = f"{columns.path}: column {name!r} is empty and left out"
        elif isinstance(one, Numbers) and _unnamed(columns.names, place) and _counts_rows(one.values, columns.rows):
            notes[name] = f"{columns.path}: column {name!r} has no name and counts the rows, so it is left out"
    return notes


def _unnamed(names: tuple[str, ...], place: int) -> bool:
    """Return whether a column has no name where others have one; pandas writes its index so, also as "Unnamed: 0"."""
    if names[place] in ("Unnamed: 0", "__index_level_0__"):
        return True
    return names[place] == f"column {place + 1}" and any(not name.startswith("column ") for name in names)


def _counts_rows(values: NDArray[np.float64], rows: NDArray[np.int64]) -> bool:
    """Return whether values are the numbers of their rows, from 0 or from 1, with or without those left out."""
    kept = np.arange(1, len(rows) + 1)
    return len(rows) > 2 and any(bool((values == number - start).all()) for number in (rows, kept) for start in (0, 1))


def _target(columns: Columns, goal: str, parsed: Parsed, options: TableOptions) -> tuple[Column, str]:
    """Return the target as numbers or classes, and how that was decided."""
    kind = options.target_kind
    found, where = parsed.column, f"{columns.path}: the target {goal!r}"
    if isinstance(found, Categories):
        if kind == "number":
            raise BadInput(
                f"{columns.path}, column {goal!r}: the target must be a number; found {len(found.names)} texts, the "
                f"first {found.names[0]!r}. Choose another --column, or pass --target-kind classes."
            )
        return found, "" if kind else f"{where} is text, taken as {len(found.names):,} classes"
    distinct = np.unique(found.values)
    whole = bool((distinct == np.round(distinct)).all())
    if kind is None and whole and len(distinct) <= MAX_WHOLE_CLASSES:
        classes = parse(columns, goal, missing=_missing_marks(options), as_text=True).column
        names = classes.names if isinstance(classes, Categories) else ()
        why = f"{where} has {plural(len(names), 'distinct value')}, all whole numbers, taken as classes"
        return classes, f"{why}. If they are counts or grades, pass --target-kind number"
    if kind:
        return found, ""
    if not whole:
        return found, f"{where} is taken as a number, since its values are not all whole"
    advice = "" if len(distinct) > _LIKELY_CLASSES else ". If they are classes, pass --target-kind classes"
    return found, f"{where} is taken as a number, since it has {len(distinct):,} distinct whole values{advice}"
