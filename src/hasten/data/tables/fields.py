"""The type of a column: numbers, dates or categories; and which of its fields are not of that type."""

import re
import shlex
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.sources.optional import arrow
from hasten.data.tables.columns import Columns
from hasten.data.tables.notation import (
    DecimalMark,
    canonical,
    decimal_votes,
    fits_all,
    moments,
    numeral,
    swapped,
    value_of,
)

# Missing only among numbers and dates: elsewhere "none" may well be a category or a class.
MISSING_NUMBERS = frozenset(
    {"none", "nil", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*", "nat", "n.a.", "n.d.", "missing"}
    | {"unknown", "not available", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#num!", "1.#qnan", "-1.#ind"}
)
_TYPED_SHARE = 0.9
_MOST_CODES = 255
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: (n,) float64, NaN where missing."""

    values: NDArray[np.float64]


@dataclass(frozen=True)
class Categories:
    """A column of categories: (n,) int32 indices into `names`, -1 where missing."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]


Column = Numbers | Categories


@dataclass(frozen=True)
class Parsed:
    """A column of known type.

    Args:
        column: the column; a field that does not fit counts as missing.
        wrong: (k,) the rows whose fields do not fit.
        reason: what is expected of them.
        notes: how an ambiguous notation was read.
    """

    column: Column
    wrong: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    reason: str = ""
    notes: tuple[str, ...] = ()

    def missing(self) -> NDArray[np.bool_]:
        """Return which rows have no value, (n,)."""
        absent = np.isnan(self.column.values) if isinstance(self.column, Numbers) else self.column.codes < 0
        absent[self.wrong] = False
        return absent


@dataclass(frozen=True)
class TextColumn:
    """A column of text: (n,) int32 indices into distinct texts without outer spaces, -1 where missing."""

    codes: NDArray[np.int32]
    texts: tuple[str, ...]


def parse(
    columns: Columns,
    name: str,
    *,
    missing: Collection[str],
    decimal: DecimalMark | None = None,
    hint: DecimalMark | None = None,
    as_text: bool = False,
) -> Parsed:
    """Return a column as numbers or categories; dates and times become days since 1970-01-01.

    A column of text is one of numbers if nine tenths of its fields are, the same for dates, else one of categories.

    Args:
        columns: holds the column.
        name: its name.
        missing: what a field holds if its value is missing, in lower case.
        decimal: what separates decimals, if that is known.
        hint: what separates them in a column that does not show it itself.
        as_text: whether to take it as categories whatever it holds.

    Raises:
        BadInput: if the column is of a type that a table cannot hold.
    """
    column = columns.data[name]
    if is_text(column):
        text = text_column(column, missing)
        if as_text or name in columns.declared:
            return Parsed(categorize(text))
        return _parse_text(columns, name, text, decimal, hint)
    if as_text:
        return Parsed(categorize(text_column(_as_text(column), missing)))
    values = _typed_numbers(columns, name)
    extreme = ~np.isnan(values) & ~(np.abs(values) <= LARGEST)
    return Parsed(Numbers(np.where(extreme, np.nan, values)), np.flatnonzero(extreme), _FINITE)


def faults(columns: Columns, name: str, parsed: Parsed) -> Iterator[tuple[int, str]]:
    """Yield each row whose field does not fit its column, with the message that says so."""
    texts = columns.texts(name) if len(parsed.wrong) else []
    for row in parsed.wrong.tolist():
        found = texts[row].strip()
        yield (
            row,
            f"{columns.location(row, name)}: {parsed.reason}; found {found!r}. Correct the field, pass "
            f"--missing {_quoted(found)} if it stands for a missing value or --text {_quoted(name)} to take the column "
            "as categories, or skip such rows with --skip-bad.",
        )


def is_text(column: Any) -> bool:
    """Return whether a `pyarrow` column holds text, dictionary-encoded or not."""
    types = arrow("types")
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def text_column(column: Any, missing: Collection[str]) -> TextColumn:
    """Return a `pyarrow` column of text with outer spaces stripped and missing fields marked."""
    pa, compute = arrow(), arrow("compute")
    encoded = compute.dictionary_encode(column) if not pa.types.is_dictionary(column.type) else column
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    if isinstance(encoded, pa.ChunkedArray):  # of no rows
        return TextColumn(np.empty(0, np.int32), ())
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    texts = [(value or "").strip() for value in encoded.dictionary.cast("string").to_pylist()]
    used = np.flatnonzero(np.bincount(codes[codes >= 0])).tolist()
    index: dict[str, int] = {}
    new_code = np.full(len(texts) + 1, -1, np.int32)  # the last place is that of the code -1
    for code in used:
        if texts[code].lower() not in missing:
            new_code[code] = index.setdefault(texts[code], len(index))
    return TextColumn(new_code[codes], tuple(index))


def categorize(text: TextColumn) -> Categories:
    """Return a column of text as categories: numbers in order of size, else in alphabetical order.

    Spellings of one whole number ("1", "1.0", "+1") are one category, of any number where all are numbers, and of true
    and false ("Yes", "yes") where there are no other words.
    """
    names = [canonical(one) for one in text.texts]
    if {name.lower() for name in names} in _BOOLEANS:
        names = [name.lower() for name in names]
    plain = _plain_numbers(names)
    if plain is not None and not any(map(_LEADING_ZERO.match, names)):
        first: dict[float, str] = {}
        # Whole numbers keep their digits: float64 cannot tell all of those above 2^53 apart.
        names = [
            one if canonical(one).isdigit() else first.setdefault(value, one)
            for one, value in zip(names, plain.tolist(), strict=True)
        ]
        ordered = sorted(set(names), key=lambda one: (float(one), one))
    else:
        ordered = sorted(set(names))
    place = {name: code for code, name in enumerate(ordered)}
    codes = np.array([place[name] for name in names] + [-1], np.int32)
    return Categories(codes[text.codes], tuple(ordered))


def decimal_hint(columns: Columns, names: Sequence[str], missing: Set[str]) -> DecimalMark | None:
    """Return the decimal mark that the unambiguous numbers of a file use, or else the one that its delimiter suggests.

    Args:
        columns: the file.
        names: the columns to look at.
        missing: what a field holds if its value is missing, in lower case.
    """
    votes: dict[DecimalMark, int] = {".": 0, ",": 0}
    for name in names:
        if not is_text(columns.data[name]):
            continue
        texts = [(one or "").strip() for one in columns.data[name].unique().cast("string")[:_SAMPLE].to_pylist()]
        present = [one for one in texts if one.lower() not in missing | MISSING_NUMBERS]
        written = [numeral(one) for one in present]
        if written and sum(one is not None for one in written) >= _TYPED_SHARE * len(written):
            cast = decimal_votes(one.digits for one in written if one is not None)
            if cast["."] != cast[","]:
                votes["," if cast[","] > cast["."] else "."] += 1
    if votes["."] == votes[","]:
        return columns.hint
    return "," if votes[","] > votes["."] else "."


_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"})
_FINITE = "a number must be finite and fit float32"
_LEADING_ZERO = re.compile(r"0\d+")
_SAMPLE = 1000


def _parse_text(
    columns: Columns, name: str, text: TextColumn, decimal: DecimalMark | None, hint: DecimalMark | None
) -> Parsed:
    counts = np.bincount(text.codes[text.codes >= 0], minlength=len(text.texts))
    soft = np.array([one.lower() in MISSING_NUMBERS for one in text.texts], bool)
    present = int(counts[~soft].sum())
    if not present:
        return Parsed(categorize(text))
    hard = [one for one, is_soft in zip(text.texts, soft.tolist(), strict=True) if not is_soft]
    if len(hard) <= _MOST_CODES and _are_codes(hard):
        example = next(filter(_LEADING_ZERO.match, hard))
        note = f"{columns.path}: column {name!r} is taken as categories: it holds codes with leading zeros ({example})"
        return Parsed(categorize(text), notes=(note,))
    read, notes = _numbers(hard, decimal, hint, f"{columns.path}: column {name!r}")
    values = np.full(len(text.texts), np.nan)
    values[~soft] = read
    what = "a number"
    good = int(counts[~np.isnan(values)].sum())
    if good < _TYPED_SHARE * present:
        found = moments(hard)
        if found is None or counts[~soft][~np.isnan(found.days)].sum() < _TYPED_SHARE * present:
            return Parsed(categorize(text))
        values[~soft] = found.days
        what = "a time" if found.form == "time of day" else "a date"
        good = int(counts[~np.isnan(values)].sum())
        notes = _order_notes(columns, name, hard, found.form)
    unfit = np.isnan(values) & ~soft
    extreme = ~np.isnan(values) & ~(np.abs(values) <= LARGEST)
    of_row = np.append(unfit | extreme, False)[text.codes]
    reason = f"expected {what}, as in {good} of {len(columns)} rows" if unfit.any() else _FINITE
    values = np.append(np.where(extreme, np.nan, values), np.nan)[text.codes]
    return Parsed(Numbers(values), np.flatnonzero(of_row), reason, notes)


def _numbers(
    texts: Sequence[str], decimal: DecimalMark | None, hint: DecimalMark | None, where: str
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the number that each text stands for, NaN where it is none, and how ambiguous ones were read."""
    plain = _plain_numbers(texts) if "," not in (decimal, hint) else None
    if plain is not None:
        return plain, ()
    written = [numeral(one) for one in texts]
    units = [one.unit for one in written if one and one.unit]
    usual = max(set(units), key=units.count) if units else ""
    # A percentage among plain numbers is of another scale; a currency may be left out.
    written = [
        one if one and (one.unit == usual or (not one.unit and (usual not in "%‰" or not usual))) else None
        for one in written
    ]
    digits = [one.digits for one in written if one]
    votes = decimal_votes(digits)
    decided = votes["."] != votes[","]
    own: DecimalMark = "," if votes[","] > votes["."] else "."
    mark = decimal or (own if decided else hint) or "."
    marked = [one for one in digits if "," in one or ("." in one and mark == ",")]
    notes = (_ambiguous(where, marked[0], mark),) if marked and not decimal and not decided else ()
    values = [value_of(one, mark) if one else None for one in written]
    extremes = [float(one) if one.lower().lstrip("+-") in {"inf", "infinity"} else None for one in texts]
    chosen = [value if value is not None else extreme for value, extreme in zip(values, extremes, strict=True)]
    return np.array([np.nan if value is None else value for value in chosen], np.float64), notes


def _plain_numbers(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Return numbers that pyarrow can read, all of them, or None."""
    pa = arrow()
    try:
        return arrow("compute").cast(pa.array(texts, "string"), "float64").to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def _are_codes(texts: Sequence[str]) -> bool:
    """Return whether texts are digits of one width, some with zeros in front: postal codes, class numbers."""
    return len({*map(len, texts)}) == 1 and all(map(str.isdecimal, texts)) and any(map(_LEADING_ZERO.fullmatch, texts))


def _ambiguous(where: str, example: str, mark: DecimalMark) -> str:
    other = "," if mark == "." else "."
    meaning = "decimals" if mark in example else "thousands"
    return f"{where}: {example!r} is read with separated {meaning}; pass --decimal '{other}' if that is wrong"


def _order_notes(columns: Columns, name: str, texts: Sequence[str], form: str) -> tuple[str, ...]:
    other = swapped(form)
    if other is None or not fits_all(texts, other):
        return ()
    return (f"{columns.path}: column {name!r}: {texts[0]!r} is read as {form}, though {other} fits all dates, too",)


def _typed_numbers(columns: Columns, name: str) -> NDArray[np.float64]:
    """Return a column with a type of numbers, dates or times as float64, NaN where it is null."""
    compute, types, column = arrow("compute"), arrow("types"), columns.data[name]
    kind = column.type
    scale = 1.0
    if types.is_null(kind):
        return np.full(len(columns), np.nan)
    if types.is_date(kind):
        column, scale = compute.cast(column, "timestamp[ms]"), 86_400e3
    elif types.is_timestamp(kind) or types.is_time(kind) or types.is_duration(kind):
        scale = 86_400 * {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    elif not (types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        raise BadInput(
            f"{columns.path}, column {name!r}: a table holds numbers, dates and text; found {kind}. "
            f"Leave the column out: --drop {_quoted(name)}."
        )
    if scale != 1:
        column = compute.cast(column, "int32" if types.is_time32(kind) else "int64")
    return compute.cast(column, "float64", safe=False).to_numpy() / scale


def _as_text(column: Any) -> Any:
    return arrow("compute").cast(column, "string")


def _quoted(text: str) -> str:
    return shlex.quote(text)
