"""Columns that give the target away: a copy, a monotone function, a category of its own, a sum or product of others.

Such a column is often made from the target, or known only after it. Then a metric near its best says nothing about
predictions on new rows.
"""

import shlex
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hasten.data.tables.table import Table

_SAMPLE = 2000
_FEWEST_ROWS = 20
_FEWEST_OF_A_CLASS = 5
_ROWS_PER_CATEGORY = 10
_ROWS_PER_COLUMN = 5
_MOST_TERMS = 4
_RESIDUAL = 0.01  # of the target's standard deviation: an R2 of 0.9999

Floats = NDArray[np.float64]


def leaks(table: Table) -> tuple[str, ...]:
    """Return a sentence for each column, or set of columns, that determines the target.

    Looks at 2,000 rows at most, evenly spaced: 0.1 s for 100 columns.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, min(_SAMPLE, len(table))).astype(np.int64))
    target = table.target[rows].astype(np.float64)
    _, counts = np.unique(target, return_counts=True)
    if len(rows) < _FEWEST_ROWS or len(counts) < 2 or (table.classes and counts.min() < _FEWEST_OF_A_CLASS):
        return ()
    found: dict[tuple[str, ...], str] = {}
    numbers = table.numbers[rows]
    for name, values in zip(table.number_names, numbers.T, strict=True):
        present = ~np.isnan(values)
        if present.sum() < max(_FEWEST_ROWS, len(rows) / 2):
            continue
        if table.classes and _splits_classes(values[present], target[present]):
            found[(name,)] = "a threshold on {columns} decides the class"
        elif not table.classes and _is_monotone(values[present], target[present]):
            found[(name,)] = "the target is a monotone function of {columns}"
    for place, name in enumerate(table.code_names):
        if _determines(table.codes[rows, place], target):
            found[(name,)] = "each value of {columns} has one value of the target"
    if not table.classes:
        others = [place for place, name in enumerate(table.number_names) if (name,) not in found]
        names = [table.number_names[place] for place in others]
        found |= _combination(names, numbers[:, others], target)
    sample = f" (in a sample of {len(rows):,} rows)" if len(rows) < len(table) else ""
    return tuple(
        f"{table.source}: {reason.format(columns=' and '.join(map(repr, names)))}{sample}. "
        f"If that is not known before the target is, pass --drop {shlex.quote(','.join(names))}"
        for names, reason in found.items()
    )


def _is_monotone(values: Floats, target: Floats) -> bool:
    """Return whether equal values have equal targets and larger values never smaller ones, or never larger ones."""
    order = np.argsort(values, kind="stable")
    steps, rises = np.diff(values[order]) > 0, np.diff(target[order])
    if steps.sum() < 2 or rises[~steps].any():
        return False
    return bool((rises >= 0).all() or (rises <= 0).all())


def _splits_classes(values: Floats, target: Floats) -> bool:
    """Return whether each class takes one interval of the values."""
    order = np.argsort(values, kind="stable")
    steps, changes = np.diff(values[order]) > 0, np.diff(target[order]) != 0
    return not changes[~steps].any() and int(changes.sum()) == len(np.unique(target)) - 1


def _determines(codes: NDArray[np.int32], target: Floats) -> bool:
    """Return whether rows of one category all have one target, over categories of 10 rows on average."""
    pairs = np.unique(np.stack([codes.astype(np.float64), target], axis=1), axis=0)
    categories = len(np.unique(codes))
    return len(pairs) == categories and 1 < categories <= len(codes) / _ROWS_PER_CATEGORY


def _combination(names: Sequence[str], numbers: Floats, target: Floats) -> dict[tuple[str, ...], str]:
    """Return the few columns whose weighted sum, or product of powers, is the target."""
    complete = ~np.isnan(numbers).any(0) & (numbers.std(0) > 0)
    kept = [name for name, whole in zip(names, complete.tolist(), strict=True) if whole]
    numbers = numbers[:, complete]
    terms = _terms(numbers, target)
    if terms:
        what = "a weighted sum" if len(terms) > 1 else "a linear function"
        return {tuple(kept[place] for place in terms): f"the target is {what} of {{columns}}"}
    positive = np.all(numbers > 0, axis=0)
    if (target > 0).all() and positive.any():
        terms = _terms(np.log(numbers[:, positive]), np.log(target))
        kept = [name for name, above in zip(kept, positive.tolist(), strict=True) if above]
        if terms:
            return {tuple(kept[place] for place in terms): "the target is a product of powers of {columns}"}
    return {}


def _terms(numbers: Floats, target: Floats) -> list[int]:
    """Return the columns, at most 4, whose weighted sum is the target, or none."""
    if not numbers.shape[1] or len(target) < _ROWS_PER_COLUMN * numbers.shape[1] or target.std() == 0:
        return []
    x, y = (numbers - numbers.mean(0)) / numbers.std(0), (target - target.mean()) / target.std()
    weights = np.linalg.lstsq(x, y)[0]
    terms = np.flatnonzero(np.abs(weights) > _RESIDUAL)
    if not 0 < len(terms) <= _MOST_TERMS:
        return []
    chosen = x[:, terms]
    residual = y - chosen @ np.linalg.lstsq(chosen, y)[0]
    return terms.tolist() if residual.std() < _RESIDUAL else []
