"""Fields of text as numbers, dates or categories: what a column holds, and where it does not."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.delimited import Columns, is_number

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
        BadInput: if a number is not finite, or a few fields of a column of numbers are text (names row and column).
    """
    fields = columns.fields[place]
    counts = Counter(fields)
    present = [field for field in counts if field not in missing]
    numbers = [field for field in present if is_number(field)]
    if numbers:
        good, rows = (sum(counts[field] for field in part) for part in (numbers, present))
        if good >= _NUMBERS_SHARE * rows:
            return _numbers(columns, place, missing, numbers, rows)
    elif (dates := _dates(fields, present, missing)) is not None:
        return dates
    return categorise(fields, missing)


def categorise(fields: list[str], missing: frozenset[str]) -> Categories:
    """Return a column as categories; names that are all numbers are in the order of their size, others sorted."""
    names = set(fields) - missing
    ordered = sorted(names, key=float) if names and all(map(is_number, names)) else sorted(names)
    code_of = {name: code for code, name in enumerate(ordered)} | dict.fromkeys(missing, -1)
    return Categories(np.fromiter(map(code_of.__getitem__, fields), np.int32, len(fields)), tuple(ordered))


def _numbers(columns: Columns, place: int, missing: frozenset[str], numbers: list[str], rows: int) -> Numbers:
    fields = columns.fields[place]
    value_of = {field: float(field) for field in numbers}
    for row, field in enumerate(fields):
        if field in missing:
            continue
        if field not in value_of:
            good = sum(map(value_of.__contains__, fields))
            raise BadInput(
                f"{columns.place(row, place)}: expected a number, as in {good} of {rows} rows; found {field!r}. "
                "Correct the field, list it among the missing values, or take the column as text."
            )
        if not abs(value_of[field]) <= LARGEST:
            raise BadInput(
                f"{columns.place(row, place)}: a number must be finite and fit float32; found {field!r}. "
                "Correct the field or list it among the missing values."
            )
    value_of |= dict.fromkeys(missing, np.nan)
    return Numbers(np.fromiter(map(value_of.__getitem__, fields), np.float32, len(fields)))


def _dates(fields: list[str], present: list[str], missing: frozenset[str]) -> Numbers | None:
    if not present or not all(map(_DATE.fullmatch, present)):
        return None
    try:
        days = np.array(present, "datetime64[ms]").astype(np.float64) / 86_400_000
    except ValueError:  # the pattern fits, but there is no such day: 2024-02-31
        return None
    value_of = dict(zip(present, days, strict=True)) | dict.fromkeys(missing, np.nan)
    return Numbers(np.fromiter(map(value_of.__getitem__, fields), np.float32, len(fields)))
