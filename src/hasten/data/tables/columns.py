"""The columns of a table file before their types are known, with the row and line of each field."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput, unknown_name
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.tables.notation import DecimalMark


@dataclass(frozen=True)
class Columns:
    """Columns of a file, of n rows.

    Args:
        path: the file.
        data: a `pyarrow.Table`; columns of a text file are dictionary-encoded text, those of Parquet have its types.
        rows: (n,) which row of the file each row is, counted from 1 below the header.
        line_of: the line of a text file on which a row of the file ends; None where rows have no lines.
        declared: columns that the file itself declares to be categories.
        skipped: the message of each row that was skipped.
        notes: what was decided while reading, one sentence each.
        hint: the decimal mark that the delimiter suggests.
    """

    path: Path
    data: Any
    rows: NDArray[np.int64]
    line_of: Callable[[int], int] | None = None
    declared: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    hint: DecimalMark | None = None

    def __len__(self) -> int:
        return self.data.num_rows

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, all different."""
        return tuple(self.data.column_names)

    def location(self, row: int, name: str) -> str:
        """Return where a field is, in words."""
        number = int(self.rows[row])
        line = "" if self.line_of is None else f" (line {self.line_of(number)})"
        return f"{self.path}, row {number}{line}, column {name!r}"

    def find(self, column: str | int) -> str:
        """Return the name of a column, given its name or its index (-1 is the last one), also as text.

        Raises:
            BadInput: if there is no such column.
        """
        if str(column) in self.names:
            return str(column)
        if isinstance(column, str) and not column.removeprefix("-").isdecimal():
            raise unknown_name("column", column, self.names)
        if not -len(self.names) <= int(column) < len(self.names):
            raise BadInput(f"{self.path} has {len(self.names)} columns; found the column index {column}.")
        return self.names[int(column)]

    def find_all(self, columns: Iterable[str]) -> list[str]:
        """Return the names of columns; each item is a name, an index, or several of them between commas."""
        found: list[str] = []
        for item in columns:
            parts = [item] if item in self.names else [part.strip() for part in item.split(",")]
            found += [self.find(part) for part in parts if part]
        return found

    def texts(self, name: str) -> list[str]:
        """Return the fields of a column as text, "" where there is none."""
        return [value or "" for value in self.data[name].cast("string").to_pylist()]

    def where(self, keep: NDArray[np.bool_]) -> "Columns":
        """Return only the rows marked in `keep`, (n,)."""
        return replace(self, data=self.data.filter(keep), rows=self.rows[keep])

    def without(self, faults: Iterable[tuple[int, str]], on_bad: OnBad) -> "Columns":
        """Return the columns without the rows at fault, given with their messages.

        Raises:
            BadInput: with the first message under "raise"; also if no row is left.
        """
        messages = list(self.skipped)
        keep = np.ones(len(self), bool)
        for row, message in faults:
            if keep[row]:
                leave_out(BadInput(message), on_bad, messages)
                keep[row] = False
        if not keep.any():
            raise BadInput(f"{self.path} must hold at least one usable row; found none. {messages[-1]}")
        return self if keep.all() else replace(self.where(keep), skipped=tuple(messages))


def distinct_names(path: Path, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names without line ends, all present and different, and a note for each that was changed.

    A column without a name is called by its number, and the second "a" is called "a.1", as in pandas.
    """
    plain = [" ".join(name.split()) or f"column {place + 1}" for place, name in enumerate(names)]
    repeated = [name for name, count in Counter(plain).items() if count > 1]
    found: list[str] = []
    for name in plain:
        unique, number = name, 0
        while unique in found:
            number += 1
            unique = f"{name}.{number}"
        found.append(unique)
    notes = [
        f"{path}: column {name!r} occurs more than once; the later ones are called '{name}.1' and so on"
        for name in repeated
    ]
    return tuple(found), tuple(notes)
