"""Looking at a source: counts, balance, missing and repeated samples, ranges, and what stands out."""

import numpy as np
from numpy.typing import NDArray

from hasten.base.records.inspection import ColumnSummary, Inspection
from hasten.base.units import plural
from hasten.data.inspect.images import inspect_images
from hasten.data.inspect.summary import class_counts, class_problems, number_summary, repetitions, source_bytes
from hasten.data.inspect.table import inspect_table
from hasten.data.sources.class_folders import ClassFolders
from hasten.data.sources.source import Arrays, Prose, Source
from hasten.data.sources.stored import StoredImages
from hasten.data.sources.texts import Texts
from hasten.data.tables.table import Table

_EXAMPLES = 8
_SHOWN_CHARACTERS = 200


def inspect(source: Source) -> Inspection:
    """Return the summary of a source; of images, sizes and colors come from at most 2,000, evenly spread."""
    match source:
        case ClassFolders() | StoredImages():
            return inspect_images(source)
        case Table():
            return inspect_table(source)
        case Texts():
            return _texts(source)
        case Prose():
            return _prose(source)
        case Arrays():
            return _arrays(source)


def _texts(source: Texts) -> Inspection:
    lengths = np.array([len(text) for text in source.texts])
    duplicates, repeated = repetitions(source.texts, source.splits)
    empty = sum(not text.strip() for text in source.texts)
    first = [int(np.flatnonzero(source.labels == code)[0]) for code in range(len(source.classes))][:_EXAMPLES]
    return Inspection(
        source=str(source.source),
        kind="texts",
        num_samples=len(source),
        examined=len(source),
        nbytes=source_bytes(source.source),
        duplicates=duplicates,
        classes=class_counts(source.labels, source.classes),
        splits=tuple((name, len(ids)) for name, ids in source.splits.items()),
        columns=(number_summary("characters", lengths),),
        rows=tuple((source.classes[int(source.labels[i])], source.texts[i][:_SHOWN_CHARACTERS]) for i in first),
        problems=(
            *source.skipped,
            *source.remarks,
            *([f"Empty: {plural(empty, 'text')}."] if empty else []),
            *class_problems(source.labels, source.classes, source.splits),
            *repeated,
        ),
    )


def _prose(source: Prose) -> Inspection:
    lines = source.text.split("\n")
    characters, counts = np.unique(np.frombuffer(source.text.encode("utf-32-le"), "<u4"), return_counts=True)
    top = tuple((repr(chr(characters[i]))[1:-1], int(counts[i])) for i in np.argsort(-counts, kind="stable")[:5])
    return Inspection(
        source=str(source.source),
        kind="tokens",
        num_samples=len(source.text),
        examined=len(source.text),
        nbytes=source_bytes(source.source),
        duplicates=0,
        columns=(
            ColumnSummary(name="character", kind="category", distinct=len(characters), top=top),
            number_summary("characters in a line", np.array([len(line) for line in lines])),
        ),
        rows=tuple((line[:_SHOWN_CHARACTERS],) for line in lines[:_EXAMPLES]),
    )


def _arrays(source: Arrays) -> Inspection:
    problems: list[str] = []
    lengths = {name: len(array) if array.ndim else 0 for name, array in source.arrays.items()}
    if len(set(lengths.values())) > 1:
        problems.append(f"The arrays differ in length: {', '.join(f'{name} {n}' for name, n in lengths.items())}.")
    duplicates = 0
    for name, array in source.arrays.items():
        problems += _non_finite(name, array)
        if array.ndim > 1 and array.size:
            repeated, sentences = repetitions([row.tobytes() for row in array], {})
            duplicates = max(duplicates, repeated)
            problems += [f"{name}: {sentence}" for sentence in sentences]
    return Inspection(
        source=str(source.source),
        kind="arrays",
        num_samples=max(lengths.values(), default=0),
        examined=max(lengths.values(), default=0),
        nbytes=source_bytes(source.source),
        duplicates=duplicates,
        shapes=tuple(
            (f"{name}: {_type(array)}", len(array) if array.ndim else 1) for name, array in source.arrays.items()
        ),
        columns=tuple(
            number_summary(name, array) for name, array in source.arrays.items() if array.dtype.kind in "biuf"
        ),
        problems=tuple(problems),
    )


def _type(array: NDArray[np.generic]) -> str:
    return " x ".join([*map(str, array.shape[1:]), array.dtype.name])


def _non_finite(name: str, array: NDArray[np.generic]) -> list[str]:
    if array.dtype.kind != "f" or not array.ndim:
        return []
    rows = np.flatnonzero(~np.isfinite(array.astype(np.float64)).reshape(len(array), -1).all(axis=1))
    return (
        [f"{name}: {plural(len(rows), 'row')} with values that are not finite, first row {rows[0]}."]
        if len(rows)
        else []
    )
