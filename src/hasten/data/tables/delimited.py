"""Delimited text (CSV, TSV, ...) as columns of strings, with the row and line of whatever does not fit."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hasten.base.errors import BadInput, unknown_name
from hasten.data.sources.content import read_text
from hasten.data.sources.on_error import OnBad, leave_out

MISSING: frozenset[str] = frozenset({"", "?", "NA", "N/A", "nan", "NaN", "NAN", "null", "NULL"})
_DELIMITERS = (",", "\t", ";", "|", " ")
_SAMPLE_ROWS = 100
_NAME = re.compile(r"[^\W\d][\w .()/%#-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file of rows is written; None means: find out.

    Args:
        delimiter: between two fields. Where it is a tab, quotes are ordinary characters.
        header: whether the first row holds the names of the columns.
        names: the names of the columns where the file has none.
        comment: rows that start with it are left out.
        skip: how many lines at the start are left out.
        missing: what a field holds where its value is missing.
    """

    delimiter: str | None = None
    header: bool | None = None
    names: tuple[str, ...] = ()
    comment: str = ""
    skip: int = 0
    missing: frozenset[str] = MISSING


INFERRED = Dialect()
"""Everything found out from the file."""


@dataclass(frozen=True)
class Columns:
    """The fields of a file, column by column, each still a string."""

    path: Path
    names: tuple[str, ...]
    fields: tuple[list[str], ...]
    lines: list[int]  # the line of the file on which each row ends
    skipped: tuple[str, ...] = ()  # the message of each row that was left out

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, row: int, column: int) -> str:
        """Return where a field is, in words."""
        return f"{self.path}, row {row + 1} (line {self.lines[row]}), column {self.names[column]!r}"

    def find(self, target: str | int) -> int:
        """Return the place of the target column, given its name or its place (-1 is the last one).

        Raises:
            BadInput: if there is no such column.
        """
        if isinstance(target, str):
            if target not in self.names:
                raise unknown_name("target column", target, self.names)
            return self.names.index(target)
        if not -len(self.names) <= target < len(self.names):
            raise BadInput(f"{self.path} has {len(self.names)} columns; found {target} for the place of the target.")
        return target % len(self.names)

    def lacking(self, column: int, missing: frozenset[str]) -> Iterator[tuple[int, BadInput]]:
        """Yield each row in which a target is missing, with the error that says so."""
        for row, field in enumerate(self.fields[column]):
            if field in missing:
                yield (
                    row,
                    BadInput(
                        f"{self.place(row, column)}: a target must be present; found {field!r}. "
                        "Remove the row, or leave it out with the policy skip."
                    ),
                )

    def without(self, faults: Iterable[tuple[int, BadInput]], on_bad: OnBad) -> "Columns":
        """Return the columns without the rows at fault; raise the first error where the policy is "raise".

        Raises:
            BadInput: also if no row is left.
        """
        messages = list(self.skipped)
        rows: set[int] = set()
        for row, error in faults:
            if row not in rows:
                leave_out(error, on_bad, messages)
                rows.add(row)
        if not rows:
            return self
        if len(rows) == len(self):
            raise BadInput(f"{self.path} must hold at least one row that can be used; found none. {messages[-1]}")
        kept = [row for row in range(len(self)) if row not in rows]
        return replace(
            self,
            fields=tuple([fields[row] for row in kept] for fields in self.fields),
            lines=[self.lines[row] for row in kept],
            skipped=tuple(messages),
        )


def read_columns(path: Path, dialect: Dialect = INFERRED, *, on_bad: OnBad = "raise") -> Columns:
    """Return all fields of a delimited text file, compressed or not.

    Args:
        path: the file.
        dialect: how it is written.
        on_bad: whether a row with more or fewer fields than the first one is an error or left out.

    Raises:
        BadInput: if the file cannot be read, is not UTF-8, has no rows, a broken quote, or, under "raise", a row with
            more or fewer fields than the first one; the message names the row and the line.
    """
    text = read_text(path)
    delimiter = dialect.delimiter or _guess_delimiter(path, text, dialect)
    rows = _rows(path, text, delimiter, dialect)
    first = list(itertools.islice(rows, _SAMPLE_ROWS))
    if not first:
        raise BadInput(f"{path} must hold at least one row; found none. Check the file.")
    width = len(first[0][1])
    header = dialect.header
    if header is None:
        header = not dialect.names and _looks_like_header([fields for _, fields in first], dialect.missing)
    names = _names(path, first[0][1] if header else [], dialect.names, width)
    body = itertools.chain(first[1:] if header else first, rows)
    # Equal fields of a column share one string: a table of few distinct values takes a tenth of the memory.
    seen: list[dict[str, str]] = [{} for _ in range(width)]
    columns: tuple[list[str], ...] = tuple([] for _ in range(width))
    lines: list[int] = []
    skipped: list[str] = []
    for row, (line, fields) in enumerate(body, start=1):
        if len(fields) != width:
            leave_out(_wrong_width(path, f"row {row} (line {line})", fields, names), on_bad, skipped)
            continue
        lines.append(line)
        for column, known, field in zip(columns, seen, fields, strict=True):
            column.append(known.setdefault(field, field))
    if not lines:
        raise BadInput(f"{path} must hold at least one row below its header; found none. Check the file.")
    return Columns(path, names, columns, lines, tuple(skipped))


def _rows(path: Path, text: str, delimiter: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each row that is neither empty nor a comment."""
    # newline="" leaves line ends inside quotes as they are.
    stream = io.StringIO(text, newline="")
    for _ in range(dialect.skip):
        stream.readline()
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(stream, delimiter=delimiter, quoting=quoting, skipinitialspace=True, strict=True)
    while True:
        start = reader.line_num + dialect.skip + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(
                f"{path} must be text with fields separated by {delimiter!r}; found in the row "
                f"that starts in line {start}: {error}. Mend the quotes, or name another delimiter."
            ) from error
        if fields and not (dialect.comment and fields[0].startswith(dialect.comment)):
            yield reader.line_num + dialect.skip, fields


def _guess_delimiter(path: Path, text: str, dialect: Dialect) -> str:
    """Return the delimiter that cuts the first rows into equally many fields, as many as possible."""
    if {".tsv", ".tab"} & set(path.suffixes):
        return "\t"
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            rows = list(itertools.islice(_rows(path, text, delimiter, dialect), _SAMPLE_ROWS))
        except BadInput:
            continue  # a broken quote under this delimiter speaks against it; the final reading names it
        width, count = Counter(len(fields) for _, fields in rows).most_common(1)[0] if rows else (0, 0)
        score = (count / len(rows), width) if width > 1 else (0.0, 0)
        if score > best_score and not (delimiter == " " and best_score[0] > 0.5):
            best, best_score = delimiter, score
    return best


def _looks_like_header(rows: list[list[str]], missing: frozenset[str]) -> bool:
    """Return whether the first row is of another kind than the rows below it.

    It is not if a field of it is a number. It is if a column below it holds numbers. Where all is text, it is if its
    fields look like names, are distinct, and none occurs again in its column.
    """
    first, body = rows[0], rows[1:]
    if not body or any(is_number(field) or field in missing for field in first):
        return False
    below = [[row[place] for row in body if place < len(row)] for place in range(len(first))]
    if any(_all_numbers(column, missing) for column in below):
        return True
    named = all(_NAME.fullmatch(field) for field in first) and len(set(first)) == len(first)
    return named and not any(field in column for field, column in zip(first, below, strict=True))


def is_number(field: str) -> bool:
    """Return whether `field` can be read as a number (also a non-finite one)."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def _all_numbers(column: list[str], missing: frozenset[str]) -> bool:
    present = [field for field in column if field not in missing]
    return bool(present) and all(map(is_number, present))


def _names(path: Path, header: list[str], given: tuple[str, ...], width: int) -> tuple[str, ...]:
    names = given or tuple(header)
    if names and len(names) != width:
        raise BadInput(f"{path} has {width} columns; found {len(names)} names for them: {', '.join(names)}.")
    names = tuple(name.strip() or f"column {place + 1}" for place, name in enumerate(names or [""] * width))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInput(f"{path} must name each column differently; found {twice[0]!r} twice. Rename one.")
    return names


def _wrong_width(path: Path, place: str, fields: list[str], names: tuple[str, ...]) -> BadInput:
    shown = ", ".join(fields)
    return BadInput(
        f"{path} must have {len(names)} fields in every row ({', '.join(names[:8])}{', ...' * (len(names) > 8)}); "
        f"found {len(fields)} in {place}: {shown[:80]}{'...' * (len(shown) > 80)}. "
        "Correct the row, name the delimiter, or leave such rows out with the policy skip."
    )
