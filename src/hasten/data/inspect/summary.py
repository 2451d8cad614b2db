"""Numbers, categories and repetitions in a few figures each."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.records.inspection import ColumnSummary
from hasten.base.units import percent, plural
from hasten.data.sources.folder import contents_of

_TOP = 5
_IMBALANCE = 5


def number_summary(name: str, values: NDArray[Any]) -> ColumnSummary:
    """Return range, mean and spread of the finite numbers; NaN counts as missing."""
    flat = values.reshape(-1)
    present = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    missing = int(np.isnan(flat).sum()) if flat.dtype.kind == "f" else 0
    if not len(present):
        return ColumnSummary(name=name, kind="number", missing=missing, distinct=0)
    return ColumnSummary(
        name=name,
        kind="number",
        missing=missing,
        distinct=len(np.unique(present)),
        low=float(present.min()),
        mean=float(present.mean(dtype=np.float64)),
        std=float(present.std(dtype=np.float64)),
        high=float(present.max()),
    )


def category_summary(name: str, codes: NDArray[Any], names: Sequence[str], *, kind: str = "category") -> ColumnSummary:
    """Return how many values there are and which are frequent; -1 counts as missing."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    frequent: list[int] = np.argsort(-counts, kind="stable")[:_TOP].tolist()
    return ColumnSummary(
        name=name,
        kind=kind,
        missing=int((codes < 0).sum()),
        distinct=int((counts > 0).sum()),
        top=tuple((names[place], int(counts[place])) for place in frequent if counts[place]),
    )


def class_counts(labels: NDArray[np.int64], classes: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return how many samples each class has, in the order of the classes."""
    return tuple(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def class_problems(
    labels: NDArray[np.int64], classes: Sequence[str], splits: Mapping[str, NDArray[np.int64]]
) -> list[str]:
    """Return what stands out in the balance of classes, also within each given split."""
    counts = np.bincount(labels, minlength=len(classes))
    problems: list[str] = []
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > _IMBALANCE * counts[least]:
        problems.append(
            f"Classes are imbalanced: {classes[most]} has {plural(int(counts[most]), 'sample')}, "
            f"{classes[least]} {counts[least]}."
        )
    for split, ids in splits.items():
        lacking = np.flatnonzero(np.bincount(labels[ids], minlength=len(classes)) == 0)
        absent = [classes[code] for code in lacking.tolist()]
        if absent:
            problems.append(
                f"The split {split} has no sample of {', '.join(absent[:5])} ({len(absent)} of {len(classes)} classes)."
            )
    return problems


def repetitions(keys: Sequence[Hashable], splits: Mapping[str, NDArray[np.int64]]) -> tuple[int, list[str]]:
    """Return how many samples equal an earlier one, and the sentences about it.

    Args:
        keys: one per sample; equal samples have equal keys.
        splits: the ids of each given split.
    """
    duplicates = len(keys) - len(set(keys))
    problems: list[str] = []
    if duplicates:
        problems.append(f"Repeated: {plural(duplicates, 'sample')} ({percent(duplicates / len(keys))}).")
    distinct = {name: {keys[place] for place in ids.tolist()} for name, ids in splits.items()}
    names = list(distinct)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            shared = len(distinct[first] & distinct[second])
            if shared:
                problems.append(f"In both {first} and {second}: {plural(shared, 'distinct sample')}.")
    return duplicates, problems


def shape_counts(shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[str, int], ...]:
    """Return the most frequent shapes with their counts."""
    return tuple((" x ".join(map(str, shape)), count) for shape, count in Counter(shapes).most_common(_TOP))


def source_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum((path / name).stat().st_size for name in contents_of(path).files)
