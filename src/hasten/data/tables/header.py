"""Whether the first row of a text file holds the names of its columns."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hasten.base.errors import BadInput
from hasten.data.tables.columns import distinct_names
from hasten.data.tables.notation import moments, numeral

_NAME = re.compile(r"[^\W\d][^\n]{0,63}")
_LABEL = re.compile(r"0|[1-9]\d{0,3}")
_YEARS = range(1900, 2101)


@dataclass(frozen=True)
class Header:
    """The names of the columns, all different, whether a row holds them, and notes on how they were decided."""

    names: tuple[str, ...]
    found: bool
    notes: tuple[str, ...] = ()


def find_header(
    path: Path,
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    given: Sequence[str],
    wanted: bool | None,
    missing: Collection[str],
) -> Header:
    """Return the names of the columns.

    Args:
        path: the file, for notes and errors.
        rows: its first rows; the first may be one field short or end in an empty one (see `aligned`).
        width: the number of fields in most rows.
        given: the names if they are known.
        wanted: whether the first row holds the names; detected if None.
        missing: what a field holds if its value is missing, in lower case.

    Raises:
        BadInput: if there are too many or too few names.
    """
    first, body = rows[0], [row for row in rows[1:] if len(row) == width]
    names = aligned(first, body, width)
    found = wanted if wanted is not None else names is not None and not given and is_header(names, body, missing)
    if found and names is None:
        raise BadInput(f"{path} has {width} columns; found {len(first)} names for them: {', '.join(first)}.")
    if given and len(given) != width:
        raise BadInput(f"{path} has {width} columns; found {len(given)} names for them: {', '.join(given)}.")
    chosen, notes = distinct_names(path, given or (names if found and names else [""] * width))
    if not found and not given and wanted is None:
        notes = (
            f"{path}: the first row is data, since it does not look like column names; pass --header if it is",
            *notes,
        )
    return Header(chosen, bool(found), notes)


def aligned(first: Sequence[str], body: Sequence[Sequence[str]], width: int) -> list[str] | None:
    """Return the fields of a header, one for each column, or None if they cannot be matched with the columns.

    One name too few: rows end with a delimiter, or begin with their own names, as R and pandas write them. One too
    many: only the header ends with a delimiter.
    """
    if len(first) == width:
        return list(first)
    if len(first) == width + 1 and not first[-1]:
        return list(first[:-1])
    if len(first) == width - 1 and body:
        return [*first, ""] if all(not row[-1] for row in body) else ["", *first]
    return None


def is_header(first: Sequence[str], body: Sequence[Sequence[str]], missing: Collection[str]) -> bool:
    """Return whether a row is of another kind than the rows below it.

    A name has no column of its own kind below it: a text over numbers or dates is one, and so is one in a row of
    names that are all different and do not occur below. Numbers are names only as evenly spaced whole ones: years, or
    the positions 0, 1, 2 that pandas writes. A name may be lacking at the ends (an index, a trailing delimiter).
    """
    if not body:
        return False
    below = [[row[place] for row in body if row[place].lower() not in missing] for place in range(len(first))]
    ends = (0, len(first) - 1)
    lacking = [place for place, name in enumerate(first) if below[place] and name.lower() in missing]
    if any(first[place] or place not in ends for place in lacking):
        return False
    labels = [place for place, name in enumerate(first) if numeral(name)]
    texts = [place for place, name in enumerate(first) if name.lower() not in missing and place not in labels]
    if labels and not _are_labels([first[place] for place in labels], [below[place] for place in labels], len(texts)):
        return False
    if any(below[place] and looks_numeric(below[place]) for place in texts):
        return True
    named = all(_NAME.fullmatch(first[place]) for place in texts) and len({*first}) == len(first)
    return named and bool(texts or labels) and not any(first[place] in below[place] for place in range(len(first)))


def looks_numeric(fields: Sequence[str]) -> bool:
    """Return whether every field is a number, a date or a time."""
    if all(numeral(field) or field.lower().lstrip("+-") in {"inf", "infinity"} for field in fields):
        return True
    found = moments(fields)
    return found is not None and bool((found.days == found.days).all())


def _are_labels(names: Sequence[str], below: Sequence[Sequence[str]], texts: int) -> bool:
    """Return whether numbers of a first row are names: evenly spaced whole numbers over columns of others."""
    if len(names) + texts < 2 or not all(map(_LABEL.fullmatch, names)):
        return False
    numbers = [int(name) for name in names]
    steps = _spacing(names)
    years = all(number in _YEARS for number in numbers)
    if len(numbers) == 1:
        return years and texts > 0 and not any(_LABEL.fullmatch(field) and int(field) in _YEARS for field in below[0])
    counted = numbers[0] in (0, 1) and steps == {1} and (len(numbers) > 2 or texts > 0)
    if len(steps) > 1 or 0 in steps or not (years or counted):
        return False
    rows = [row for row in zip(*below, strict=False) if all(map(_LABEL.fullmatch, row))]
    alike = [row for row in rows if _spacing(row) == steps and (not years or int(row[0]) in _YEARS)]
    return len(alike) <= len(below[0]) / 2


def _spacing(row: Sequence[str]) -> set[int]:
    return {int(after) - int(before) for before, after in pairwise(row)}
