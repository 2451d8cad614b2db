"""Delimited text (CSV, TSV, ...) as columns of text: pyarrow reads it, the csv module finds the line of a fault."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.data.sources.content import read_text
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.sources.optional import arrow
from hasten.data.tables.columns import Columns
from hasten.data.tables.header import aligned, find_header, is_header
from hasten.data.tables.notation import DecimalMark, numeral

MISSING: frozenset[str] = frozenset({"", "?", "NA", "N/A", "#N/A", "<NA>", "nan", "null"})
_DELIMITERS = (",", "\t", ";", "|", " ")
_SAMPLE_ROWS = 100
_HEAD = 1 << 20  # characters, for what needs only the first rows


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file of rows is written; None means: detect it.

    Args:
        delimiter: between two fields. If it is a tab, quotes are ordinary characters.
        header: whether the first row holds the names of the columns.
        names: the names of the columns if the file has none.
        comment: rows that start with it are ignored.
        skip: how many lines at the start are ignored.
        missing: what a field holds if its value is missing, in upper or lower case.
        decimal: what separates the decimals of a number.
    """

    delimiter: str | None = None
    header: bool | None = None
    names: tuple[str, ...] = ()
    comment: str = ""
    skip: int = 0
    missing: frozenset[str] = MISSING
    decimal: DecimalMark | None = None


INFERRED = Dialect()
"""Everything detected from the file."""


def read_columns(path: Path, dialect: Dialect = INFERRED, *, on_bad: OnBad = "raise") -> Columns:
    """Return all fields of a delimited text file, compressed or not, as dictionary-encoded columns of text.

    Args:
        path: the file.
        dialect: how it is written.
        on_bad: whether a row with more or fewer fields than most rows is an error or skipped.

    Raises:
        BadInput: if the file cannot be read, is not text, has no rows, a broken quote, or, under "raise", a row with
            another number of fields; the message names the row and the line.
    """
    arrow()  # if it is missing, say so before anything else
    text = read_text(path)
    if binary := re.search("[\0-\x06]", text[: 1 << 16]):
        raise BadInput(
            f"{path} must be text; found the control character {binary[0]!r} at character {binary.start()}. "
            "Export the table as CSV or Parquet: workbooks and archives cannot be read."
        )
    delimiter = dialect.delimiter or _guess_delimiter(path, text[:_HEAD], dialect)
    rows = partial(_rows, path, text, delimiter, dialect)
    first = list(itertools.islice(rows(), _SAMPLE_ROWS))
    if not first:
        raise BadInput(f"{path} must hold at least one row; found none. Check the file.")
    width = _width([len(fields) for _, fields in first])
    skipped: list[str] = []
    top, last_line = 0, dialect.skip  # rows and lines above the data
    while not _may_begin(first, width, dialect):
        top, (last_line, fields) = top + 1, first.pop(0)
        leave_out(_wrong_width(path, f"line {last_line}", fields, [""] * width), on_bad, skipped)
    missing = {mark.lower() for mark in dialect.missing}
    sample = [[field.strip() for field in fields] for _, fields in first]
    header = find_header(path, sample, width, given=dialect.names, wanted=dialect.header, missing=missing)
    if header.found:
        top, last_line = top + 1, first[0][0]
    if '"' in text and delimiter != "\t" and text.count('"') % 2:
        for _ in rows():  # an odd number of quotes: if one is broken, this raises an error with its line
            pass
    data, rejected = _parse(path, _plain(text, delimiter, dialect), delimiter, width, last_line)
    line_of = partial(_line_of, rows, top)
    for row, content in rejected:
        if content.strip():
            fields = next(csv.reader([content], delimiter=delimiter), [])
            place = f"row {row} (line {line_of(row)})"
            leave_out(_wrong_width(path, place, fields, header.names), on_bad, skipped)
    if not data.num_rows:
        below = " below its header" if header.found else ""
        raise BadInput(f"{path} must hold at least one row{below}; found none. Check the file.")
    numbers = np.arange(1, data.num_rows + len(rejected) + 1)
    return Columns(
        path=path,
        data=data.rename_columns(list(header.names)),
        rows=np.setdiff1d(numbers, [row for row, _ in rejected]),
        line_of=line_of,
        skipped=tuple(skipped),
        notes=header.notes,
        hint="," if delimiter == ";" else None,
    )


def _parse(path: Path, text: str, delimiter: str, width: int, skip_lines: int) -> tuple[Any, list[tuple[int, str]]]:
    """Return all rows of this width as a `pyarrow.Table` of dictionary-encoded text, and number and text of the others.

    Rows are counted from 1 behind the skipped lines; empty lines do not count.
    """
    csv_reader, content = arrow("csv"), text.encode()
    pa, rejected = arrow(), list[tuple[int, str]]()

    def reject(row: Any) -> str:
        rejected.append((row.number - skip_lines, row.text))  # pyarrow counts the skipped lines, too
        return "skip"

    names = [str(place) for place in range(width)]
    try:
        data = csv_reader.read_csv(
            pa.BufferReader(content),
            # One block and one thread, so that rows are numbered.
            read_options=csv_reader.ReadOptions(
                use_threads=False, block_size=min(len(content) + 1, 2**31 - 1), column_names=names, skip_rows=skip_lines
            ),
            parse_options=csv_reader.ParseOptions(
                delimiter=delimiter,
                quote_char=False if delimiter == "\t" else '"',
                newlines_in_values=True,
                invalid_row_handler=reject,
            ),
            convert_options=csv_reader.ConvertOptions(
                strings_can_be_null=False, column_types=dict.fromkeys(names, pa.dictionary(pa.int32(), pa.string()))
            ),
        )
    except pa.ArrowInvalid as error:
        raise BadInput(f"{path} must be delimited text; found: {error}. Check the file.") from error
    return data, rejected


def _plain(text: str, delimiter: str, dialect: Dialect) -> str:
    """Return the text without what pyarrow does not know: comments, and spaces before a field. Lines stay lines."""
    if dialect.comment:
        text = re.sub(rf"(?m)^{re.escape(dialect.comment)}.*$", "", text)
    if delimiter == " ":
        return re.sub(r"(?m)^ +| +$", "", re.sub(" {2,}", " ", text))
    if '"' in text and delimiter != "\t":
        lines = text[: 1 << 16].splitlines(keepends=True)
        kept = [[field.strip() for field in row] for row in csv.reader(lines, delimiter=delimiter)]
        if kept != [[f.strip() for f in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]:
            text = re.sub(rf'({re.escape(delimiter)}) +"', r'\1"', text)
    return text


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
                f"that starts in line {start}: {error}. Fix the quotes, or pass another --delimiter."
            ) from error
        if delimiter == " " and fields and not fields[-1]:
            fields.pop()  # a space at the end of a line separates nothing
        if fields and not (dialect.comment and fields[0].startswith(dialect.comment)):
            yield reader.line_num + dialect.skip, fields


def _line_of(rows: Callable[[], Iterator[tuple[int, list[str]]]], top: int, row: int) -> int:
    """Return the line on which a row ends, counted from 1 below `top` rows."""
    return next(itertools.islice(rows(), top + row - 1, None))[0]


def _width(widths: Sequence[int]) -> int:
    """Return the number of fields in most rows below the first, or in the first one if several are equally frequent."""
    counts = Counter(widths[1:] or widths)
    return max(counts, key=lambda width: (counts[width], width == widths[0], width))


def _may_begin(rows: Sequence[tuple[int, Sequence[str]]], width: int, dialect: Dialect) -> bool:
    """Return whether the first row fits the others, as data or as a header."""
    first = [field.strip() for field in rows[0][1]]
    if len(rows) == 1 or len(first) == width:
        return True
    body = [fields for _, fields in rows[1:] if len(fields) == width]
    names = aligned(first, body, width)
    if names is None or dialect.header is False or dialect.names:
        return False
    return dialect.header is True or is_header(names, body, {mark.lower() for mark in dialect.missing})


def _guess_delimiter(path: Path, text: str, dialect: Dialect) -> str:
    """Return the delimiter that divides the first rows most evenly into more than one field.

    Of several that do, the one whose fields are numbers most often, then the one with the most fields: `1,5;2,5` is
    two numbers, not three fields.
    """
    if {".tsv", ".tab"} & set(path.suffixes):
        return "\t"
    best, best_score = ",", (0.0, 0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            rows = [fields for _, fields in itertools.islice(_rows(path, text, delimiter, dialect), _SAMPLE_ROWS)]
        except BadInput:
            continue  # a broken quote under this delimiter speaks against it; the final reading names it
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        if width < 2:
            continue
        fields = [field for row in rows for field in row if field]
        numeric = sum(numeral(field) is not None for field in fields) / max(1, len(fields))
        score = (count / len(rows), numeric, width)
        if score > best_score and not (delimiter == " " and best_score[0] > 0.5):
            best, best_score = delimiter, score
    return best


def _wrong_width(path: Path, place: str, fields: Sequence[str], names: Sequence[str]) -> BadInput:
    shown, known = (
        printable_name(", ".join(fields)),
        ", ".join(filter(None, names[:8])),
    )  # fields may have several lines
    listed = f" ({known}{', ...' * (len(names) > 8)})" if known else ""
    return BadInput(
        f"{path} must have {len(names)} fields in every row{listed}; "
        f"found {len(fields)} in {place}: {shown[:80]}{'...' * (len(shown) > 80)}. "
        "Correct the row, pass --delimiter, or skip such rows with --skip-bad."
    )
