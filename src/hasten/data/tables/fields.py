"""Fields of text as numbers, dates or categories: what a column holds, and where it does not."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.tables.delimited import Columns, is_number

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")
_NUMBERS_SHARE = 0.9
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: (n,) float32, NaN where missing."""

    values: NDArray[np.float32]


@dataclass(frozen=True)
class Categories:
    """A column of categories: (n,) int32 places in `names`, -1 where missing."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]


Column = Numbers | Categories


def parse(columns: Columns, place: int, missing: frozenset[str]) -> Column:
    """Return a column as numbers (dates too, as days since 1970-01-01) or, where it holds anything else, categories.

    Raises:
        BadInput: if the column has `faults`; names the row.
    """
    fields = columns.fields[place]
    value_of = _numbers_in(fields, missing)
    if value_of is not None:
        for _, error in faults(columns, place, missing):
            raise error
        return _looked_up(fields, value_of, missing)
    return _dates(fields, missing) or categorize(fields, missing)


def faults(columns: Columns, place: int, missing: frozenset[str]) -> Iterator[tuple[int, BadInput]]:
    """Yield each row in which a column of numbers holds text or a number that is not finite, with its error."""
    fields = columns.fields[place]
    value_of = _numbers_in(fields, missing)
    if value_of is None:
        return
    text = {field for field in set(fields) - missing if field not in value_of}
    extreme = {field for field, value in value_of.items() if not abs(value) <= LARGEST}
    if not text and not extreme:
        return
    good = sum(map(value_of.__contains__, fields))
    for row, field in enumerate(fields):
        if field in text:
            message = f"expected a number, as in {good} of {len(fields)} rows; found {field!r}"
        elif field in extreme:
            message = f"a number must be finite and fit float32; found {field!r}"
        else:
            continue
        yield (
            row,
            BadInput(
                f"{columns.place(row, place)}: {message}. Correct the field, list it among the missing values, "
                "take the column as text, or leave such rows out with the policy skip."
            ),
        )


def categorize(fields: list[str], missing: frozenset[str]) -> Categories:
    """Return a column as categories; names that are all numbers are in the order of their size, others sorted."""
    names = set(fields) - missing
    ordered = sorted(names, key=float) if names and all(map(is_number, names)) else sorted(names)
    code_of = {name: code for code, name in enumerate(ordered)} | dict.fromkeys(missing, -1)
    return Categories(np.fromiter(map(code_of.__getitem__, fields), np.int32, len(fields)), tuple(ordered))


def _numbers_in(fields: list[str], missing: frozenset[str]) -> dict[str, float] | None:
    """Return the number that each field stands for, or None if the column is not one of numbers."""
    counts = Counter(fields)
    value_of = {field: float(field) for field in counts if field not in missing and is_number(field)}
    present = len(fields) - sum(counts[field] for field in missing)
    good = sum(counts[field] for field in value_of)
    return value_of if good and good >= _NUMBERS_SHARE * present else None


def _dates(fields: list[str], missing: frozenset[str]) -> Numbers | None:
    """Return a column of ISO dates as days since 1970-01-01, or None if it holds anything else."""
    present = list(set(fields) - missing)
    if not present or not all(map(_DATE.fullmatch, present)):
        return None
    try:
        days = np.array(present, "datetime64[ms]").astype(np.float64) / 86_400_000
    except ValueError:  # the pattern fits, but there is no such day: 2024-02-31
        return None
    return _looked_up(fields, dict(zip(present, days.tolist(), strict=True)), missing)


def _looked_up(fields: list[str], value_of: dict[str, float], missing: frozenset[str]) -> Numbers:
    values = value_of | dict.fromkeys(missing, np.nan)
    return Numbers(np.fromiter(map(values.__getitem__, fields), np.float32, len(fields)))
