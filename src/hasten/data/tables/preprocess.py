"""A table as one matrix that a network can learn from; every statistic comes from the training rows alone.

Numbers: missing ones take the median, and a column of 0 and 1 says where; then mean 0 and standard deviation 1.
Categories: one column of 0 and 1 per value, one for "missing" where training rows lack some, one for "other".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.records.record import Record
from hasten.data.tables.table import Table

UnknownPolicy = Literal["raise", "other"]


class NumberColumn(Record, frozen=True):
    """How one column of numbers is prepared."""

    name: str
    median: float
    mean: float  # after missing values took the median
    std: float  # 1 for a constant column
    missing: bool  # whether a column of 0 and 1 says where values are missing


class CategoryColumn(Record, frozen=True):
    """How one column of categories is prepared."""

    name: str
    values: tuple[str, ...]  # those that have a column of their own
    missing: bool  # whether "missing" has one
    other: bool  # whether all other values share one


class Preprocessing(Record, frozen=True):
    """What `fit` learned from training rows: all that `transform` needs."""

    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    target_name: str
    classes: tuple[str, ...]  # empty for regression
    target_mean: float = 0.0
    target_std: float = 1.0


@dataclass(frozen=True)
class Prepared:
    """A table ready for training.

    Args:
        features: (n, k) float32.
        target: (n,) int64 classes, or float32 standardized by the training rows' mean and standard deviation.
        unknown: for each column of categories, how many rows held a value unknown in training (0 ones left out).
    """

    features: NDArray[np.float32]
    target: NDArray[np.float32] | NDArray[np.int64]
    unknown: dict[str, int]


def fit(
    table: Table, rows: NDArray[np.int64], *, unknown: UnknownPolicy = "raise", max_values: int = 255
) -> Preprocessing:
    """Learn from the training rows how to prepare a table.

    Args:
        table: holds the training rows, and perhaps others, which are not looked at.
        rows: (m,) the training rows.
        unknown: what `transform` does with a category that no training row holds: raise an error, or take it as
            "other" and count it.
        max_values: categories beyond this many per column, the rarest ones, become "other".

    Raises:
        BadInput: if there are no training rows, or a column of numbers has no value in any of them.
    """
    if not len(rows):
        raise BadInput("preprocessing must be fitted on at least one training row; found none.")
    numbers = tuple(_fit_numbers(table, rows, place) for place in range(len(table.number_names)))
    categories = tuple(
        _fit_categories(table, rows, place, unknown=unknown, max_values=max_values)
        for place in range(len(table.code_names))
    )
    mean, std = 0.0, 1.0
    if not table.classes:
        goal = table.target[rows].astype(np.float64)
        mean, std = float(goal.mean()), float(goal.std()) or 1.0
    return Preprocessing(
        numbers=numbers,
        categories=categories,
        target_name=table.target_name,
        classes=table.classes,
        target_mean=mean,
        target_std=std,
    )


def feature_names(preprocessing: Preprocessing) -> tuple[str, ...]:
    """Return the name of each column of the prepared matrix."""
    names = [column.name for column in preprocessing.numbers]
    names += [f"{column.name} missing" for column in preprocessing.numbers if column.missing]
    for column in preprocessing.categories:
        names += [f"{column.name}={value}" for value in column.values]
        names += [f"{column.name} missing"] * column.missing + [f"{column.name} other"] * column.other
    return tuple(names)


def transform(preprocessing: Preprocessing, table: Table) -> Prepared:
    """Prepare every row of a table; it may be another one than that of `fit`, read from another file.

    A missing number takes the training rows' median also where none of them lacked one. A missing category that no
    training row lacked is an unknown one.

    Raises:
        BadInput: if a column is lacking, or a category or class is unknown under the policy "raise"; names the file,
            the row and the column.
    """
    parts: list[NDArray[np.float32]] = []
    flags: list[NDArray[np.float32]] = []
    for column in preprocessing.numbers:
        values = table.numbers[:, _place(table, column.name, table.number_names)].astype(np.float64)
        absent = np.isnan(values)
        if column.missing:
            flags.append(absent.astype(np.float32))
        values = (np.where(absent, column.median, values) - column.mean) / column.std
        parts.append(values.astype(np.float32))
    unknown: dict[str, int] = {}
    hot: list[NDArray[np.float32]] = []
    for column in preprocessing.categories:
        encoded, odd = _one_hot(table, column)
        hot.append(encoded)
        if odd:
            unknown[column.name] = odd
    columns = [part[:, None] for part in (*parts, *flags)] + hot
    features = np.concatenate(columns, axis=1) if columns else np.empty((len(table), 0), np.float32)
    return Prepared(features, _target(preprocessing, table), unknown)


def restore_target(preprocessing: Preprocessing, target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return standardized targets or predictions of a regression in the unit of the table."""
    return target * np.float32(preprocessing.target_std) + np.float32(preprocessing.target_mean)


def _fit_numbers(table: Table, rows: NDArray[np.int64], place: int) -> NumberColumn:
    name, values = table.number_names[place], table.numbers[rows, place].astype(np.float64)
    absent = np.isnan(values)
    if absent.all():
        raise BadInput(
            f"{table.source}, column {name!r}: a column of numbers must have a value in some training row; found none "
            f"in {len(rows)} rows. Drop the column."
        )
    median = float(np.median(values[~absent]))
    values = np.where(absent, median, values)
    return NumberColumn(
        name=name,
        median=median,
        mean=float(values.mean()),
        std=float(values.std()) or 1.0,
        missing=bool(absent.any()),
    )


def _fit_categories(
    table: Table, rows: NDArray[np.int64], place: int, *, unknown: UnknownPolicy, max_values: int
) -> CategoryColumn:
    counts = Counter(table.codes[rows, place].tolist())
    absent = counts.pop(-1, 0)
    frequent = sorted(counts, key=lambda code: (-counts[code], code))[:max_values]
    return CategoryColumn(
        name=table.code_names[place],
        values=tuple(table.categories[place][code] for code in sorted(frequent)),
        missing=absent > 0,
        other=unknown == "other" or len(counts) > max_values,
    )


def _one_hot(table: Table, column: CategoryColumn) -> tuple[NDArray[np.float32], int]:
    """Return the columns of one category, (n, values + missing + other), and how many rows went to "other"."""
    place = _place(table, column.name, table.code_names)
    width = len(column.values) + column.missing + column.other
    slot_of = {value: slot for slot, value in enumerate(column.values)}
    other = width - 1 if column.other else -1
    slots = [slot_of.get(value, other) for value in table.categories[place]]
    slots.append(len(column.values) if column.missing else other)  # the code -1, missing, takes the last slot
    taken = np.array(slots)[table.codes[:, place]]
    if (taken < 0).any():
        raise _unknown(table, column, place, np.flatnonzero(taken < 0))
    hot = np.zeros((len(table), width), np.float32)
    hot[np.arange(len(table)), taken] = 1
    return hot, int((taken == other).sum()) if column.other else 0


def _unknown(table: Table, column: CategoryColumn, place: int, wrong: NDArray[np.int64]) -> BadInput:
    code = int(table.codes[wrong[0], place])
    found = repr(table.categories[place][code]) if code >= 0 else "a missing value"
    return BadInput(
        f"{table.source}, row {wrong[0] + 1}, column {column.name!r}: a value must be one of the {len(column.values)} "
        f"of the training rows; found {found}, and {len(wrong)} such rows in all. "
        'Take unknown values as "other" when fitting, or correct the rows.'
    )


def _target(preprocessing: Preprocessing, table: Table) -> NDArray[np.float32] | NDArray[np.int64]:
    if not preprocessing.classes:
        if table.classes:
            raise BadInput(f"{table.source}: the target must be a number, as in training; found classes.")
        scaled = (table.target.astype(np.float64) - preprocessing.target_mean) / preprocessing.target_std
        return scaled.astype(np.float32)
    code_of = {name: code for code, name in enumerate(preprocessing.classes)}
    codes = np.array([code_of.get(name, -1) for name in table.classes] or [-1])[table.target.astype(np.int64)]
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        found = table.classes[int(table.target[row])] if table.classes else str(table.target[row])
        known = ", ".join(map(repr, preprocessing.classes[:8])) + ", ..." * (len(preprocessing.classes) > 8)
        raise BadInput(
            f"{table.source}, row {row + 1}, target {table.target_name!r}: a class must be one of those of training "
            f"({known}); found {found!r}, and {int((codes < 0).sum())} such rows in all. Rename or remove them."
        )
    return codes.astype(np.int64)


def _place(table: Table, name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise BadInput(
            f"{table.source} must have the column {name!r}, of the same kind as in training; "
            f"found {', '.join(names) or 'no such columns'}."
        )
    return names.index(name)
