"""A table as one matrix that a network can learn from; every statistic comes from the training rows alone.

Numbers: a missing one becomes the median, and a column of 0 and 1 says where; then mean 0 and standard deviation 1.
Categories: one column of 0 and 1 per value; one for "missing" and one for rare values if training rows have such.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.tables.table import Table


@dataclass(frozen=True)
class Preprocessing:
    """What `fit` learned from training rows: all that `transform` needs.

    Args:
        number_names: the columns of numbers.
        code_names: the columns of categories.
        numbers: fitted imputer and scaler of numbers.
        missing: fitted indicator of missing numbers.
        categories: fitted one-hot encoder of categories.
        target_name: the column to predict.
        classes: its classes; empty for regression.
        target_mean, target_std: of the target, for regression.
    """

    number_names: tuple[str, ...]
    code_names: tuple[str, ...]
    numbers: Any
    missing: Any
    categories: Any
    target_name: str
    classes: tuple[str, ...]
    target_mean: float = 0.0
    target_std: float = 1.0


@dataclass(frozen=True)
class Prepared:
    """A table ready for training.

    Args:
        features: (n, k) float32.
        target: (n,) int64 classes, or float32 standardized by the training rows' mean and standard deviation.
        unknown: for each column of categories, how many rows hold a value that is rare or absent in training (columns
            with 0 left out).
    """

    features: NDArray[np.float32]
    target: NDArray[np.float32] | NDArray[np.int64]
    unknown: dict[str, int]


def fit(table: Table, rows: NDArray[np.int64], *, max_values: int = 255) -> Preprocessing:
    """Learn from the training rows how to prepare a table.

    Args:
        table: holds the training rows, and perhaps others, which are not looked at.
        rows: (m,) the training rows.
        max_values: categories beyond this many per column, the rarest ones, share one column.

    Raises:
        BadInput: if there are no training rows.
    """
    from sklearn.impute import MissingIndicator, SimpleImputer  # a second of import that other tasks need not pay
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if not len(rows):
        raise BadInput("preprocessing must be fitted on at least one training row; found none.")
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    missing = MissingIndicator(error_on_new=False)
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=max_values + 1, sparse_output=False)
    if table.number_names:
        numbers.fit(table.numbers[rows])
        missing.fit(table.numbers[rows])
    if table.code_names:
        categories.fit(_values(table, table.code_names)[rows])
    mean, std = 0.0, 1.0
    if not table.classes:
        mean, std = float(table.target[rows].mean()), float(table.target[rows].std()) or 1.0
    return Preprocessing(
        number_names=table.number_names,
        code_names=table.code_names,
        numbers=numbers,
        missing=missing,
        categories=categories,
        target_name=table.target_name,
        classes=table.classes,
        target_mean=mean,
        target_std=std,
    )


def feature_names(preprocessing: Preprocessing) -> tuple[str, ...]:
    """Return the name of each column of the prepared matrix, those of categories as scikit-learn makes them."""
    names = list(preprocessing.number_names)
    if names:
        names += [f"{names[place]} missing" for place in preprocessing.missing.features_]
    if preprocessing.code_names:
        names += preprocessing.categories.get_feature_names_out(preprocessing.code_names).tolist()
    return tuple(names)


def state(preprocessing: Preprocessing) -> dict[str, object]:
    """Return what was learned as plain values, for a file that can be read without scikit-learn."""
    learned: dict[str, object] = {
        "features": feature_names(preprocessing),
        "target": {"mean": preprocessing.target_mean, "std": preprocessing.target_std},
    }
    if preprocessing.number_names:
        imputer, scaler = preprocessing.numbers[0], preprocessing.numbers[1]
        learned |= {"medians": imputer.statistics_.tolist(), "means": scaler.mean_.tolist()}
        learned |= {"stds": scaler.scale_.tolist()}
    return learned


def transform(preprocessing: Preprocessing, table: Table) -> Prepared:
    """Prepare every row of a table; it may be another one than that of `fit`, read from another file.

    A missing number becomes the training rows' median. A category that is rare in the training rows gets the column of
    rare values, and one that is absent there gets it too, or all zeros if there is none; both are counted.

    Raises:
        BadInput: if a column is lacking or a class is unknown; names the file, the row and the column.
    """
    parts = [np.empty((len(table), 0), np.float32)]
    unknown: dict[str, int] = {}
    if preprocessing.number_names:
        numbers = table.numbers[:, [_place(table, name, table.number_names) for name in preprocessing.number_names]]
        parts += [preprocessing.numbers.transform(numbers), preprocessing.missing.transform(numbers)]
    if preprocessing.code_names:
        values = _values(table, preprocessing.code_names)
        parts.append(preprocessing.categories.transform(values))
        known = zip(preprocessing.categories.categories_, preprocessing.categories.infrequent_categories_, strict=True)
        for name, column, (all_values, rare) in zip(preprocessing.code_names, values.T, known, strict=True):
            frequent = {*all_values} - {*([] if rare is None else rare)}
            odd = sum(number for value, number in Counter(column.tolist()).items() if value not in frequent)
            if odd:
                unknown[name] = odd
    features = np.concatenate([part.astype(np.float32) for part in parts], axis=1)
    return Prepared(features, _target(preprocessing, table), unknown)


def restore_target(preprocessing: Preprocessing, target: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return standardized targets or predictions of a regression in the unit of the table."""
    return target.astype(np.float64) * preprocessing.target_std + preprocessing.target_mean


def _values(table: Table, names: Sequence[str]) -> NDArray[np.object_]:
    """Return columns of categories as text, (n, c), None where missing."""
    columns: list[NDArray[np.object_]] = []
    for name in names:
        place = _place(table, name, table.code_names)
        columns.append(np.array([*table.categories[place], None], object)[table.codes[:, place]])  # -1 takes the last
    return np.stack(columns, axis=1)


def _target(preprocessing: Preprocessing, table: Table) -> NDArray[np.float32] | NDArray[np.int64]:
    if not preprocessing.classes:
        if table.classes:
            raise BadInput(f"{table.source}: the target must be a number, as in training; found classes.")
        return ((table.target - preprocessing.target_mean) / preprocessing.target_std).astype(np.float32)
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
