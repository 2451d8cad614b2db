"""Any table with a column to predict: a class or a number, by an MLP."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from hasten.base.errors import BadInput
from hasten.base.units import plural
from hasten.data.names import Names
from hasten.data.sources.on_error import left_out_notes
from hasten.data.sources.stored import is_store, read_stored_table
from hasten.data.split import held_out, held_out_by_class
from hasten.data.tables.leakage import leaks
from hasten.data.tables.preprocess import Prepared, feature_names, fit, transform
from hasten.data.tables.table import DETECTED, Reading, Table, TableOptions, read_table, table_options
from hasten.training.task import Data, Stop, Task, Update

VALID_SHARE = 0.2
WIDTH = 256
_PART_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".data", ".test", ".parquet"})
_PART_WORDS = {
    "train": frozenset({"train", "training", "data"}),
    "valid": frozenset({"valid", "val", "validation", "dev"}),
    "test": frozenset({"test", "testing"}),
}


def mlp(features: int, outputs: int) -> nn.Module:
    """Return a multilayer perceptron with two hidden layers of 256."""
    return nn.Sequential(
        nn.Linear(features, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, outputs),
    )


def task(
    *,
    data: Path,
    column: str | int | None = None,
    batch_size: int = 128,
    lr: float = 1e-3,
    target: float | None = None,
    epochs: int = 20,
    **reading: Unpack[Reading],
) -> Task:
    """Return the task: predict one column of a table from the others, with a fifth of the rows for validation.

    If the folder has a file for validation, that file is used instead.

    For classes, cross-entropy and accuracy; each class has the same share of both parts, and one with a single row is
    in training only. For a number, squared error of the standardized column, and R2. `hasten.data.tables.preprocess`
    prepares the other columns, from the training rows alone. The notes of the task say how the target and ambiguous
    columns were read, and which columns give the target away.

    Args:
        data: the table: CSV or TSV, compressed or not, or Parquet; or a folder with one file for training and perhaps
            one for validation and one for testing, recognized by their names (see `part_files`).
        column: what to predict, by name or index; the last one if None.
        batch_size: rows per update.
        lr: learning rate of AdamW.
        target: accuracy or R2 on the validation rows at which training ends; None to train for all epochs.
        epochs: passes over the training rows at most.
        reading: `target_kind` ("classes" or "number"; detected otherwise), `drop` and `text` (columns to leave out, and
            to take as categories), `delimiter`, `header`, `decimal`, `missing` and `on_bad`; see `table_options`.

    Raises:
        BadInput: if the file cannot be read or lacks the column; the message names file, row and column.
    """
    files, options = part_files(data), table_options(**reading)
    table = _read(files.train, -1 if column is None else column, options)
    _check_predictable(table)
    train, valid = _parts(table) if files.valid is None else (np.arange(len(table)), None)
    how = fit(table, train)
    prepared = transform(how, table)
    other = None if files.valid is None else _validation_table(files.valid, table, options)
    checked = prepared if other is None else transform(how, other)
    features, outputs = prepared.features.shape[1], len(table.classes) or 1
    return Task(
        name="table",
        data=Data(
            train=_dataset(prepared, train),
            valid=_dataset(checked, valid),
            names=Names(columns=feature_names(how), classes=table.classes),
        ),
        model=lambda: mlp(features, outputs),
        loss="cross_entropy" if table.classes else "mse",
        metric="accuracy" if table.classes else "r2",
        update=Update(optimizer="adamw", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
        notes=_notes(table, other, checked),
    )


def _check_predictable(table: Table) -> None:
    """Raise BadInput unless there is something to predict, and something to predict it from."""
    if not table.number_names and not table.code_names:
        raise BadInput(
            f"{table.source} must have a column beside {table.target_name!r} to predict it from; found none."
        )
    if len(np.unique(table.target)) < 2:
        raise BadInput(f"{table.source}: the target {table.target_name!r} has one value in every row. Choose another.")


def _validation_table(path: Path, table: Table, options: TableOptions) -> Table:
    """Return the table of the validation file, with the target read as in training."""
    kind = "classes" if table.classes else "number"
    return read_table(path, table.target_name, replace(options, target_kind=kind))


def _notes(table: Table, other: Table | None, checked: Prepared) -> tuple[str, ...]:
    """Return what a person should know of a table, of the one to validate on, and of its prepared rows."""
    found = [*filter(None, [table.decision]), *table.notes, *left_out_notes(table.source, table.skipped), *leaks(table)]
    if other is None:
        return (*found, *_single_notes(table), *_unknown_notes(table.source, checked))
    return (*found, *left_out_notes(other.source, other.skipped), *_unknown_notes(other.source, checked))


@dataclass(frozen=True)
class PartFiles:
    """The files of a table: the one to learn from, and the one to validate on if it is given."""

    train: Path
    valid: Path | None = None


def part_files(data: Path) -> PartFiles:
    """Return which file of a folder is for what, by a word in its name; a file is all there is.

    "train" or "data" is to learn from, "valid", "val" or "dev" to validate on. "test" is not read: tuning must not see
    the data of the final test.

    Raises:
        BadInput: if a folder does not hold one file to learn from and at most one to validate on.
    """
    if not data.is_dir() or is_store(data):
        return PartFiles(data)
    tables = sorted(path for path in data.iterdir() if _PART_SUFFIXES & {ending.lower() for ending in path.suffixes})
    found = {
        part: [path for path in tables if words & set(re.split(r"[^a-z]+", path.name.lower()))]
        for part, words in _PART_WORDS.items()
    }
    # "adult.data" is to learn from, but "data.test.csv" is for testing.
    train = [path for path in found["train"] if path not in (*found["valid"], *found["test"])]
    train = train or ([path for path in tables if path not in (*found["valid"], *found["test"])])
    if len(train) != 1 or len(found["valid"]) > 1:
        names = ", ".join(path.name for path in tables) or "none"
        raise BadInput(
            f"{data} must hold one table to learn from, named train or data, and at most one to validate on, named "
            f"valid; found {names}. Give the file itself."
        )
    return PartFiles(train[0], next(iter(found["valid"]), None))


def _dataset(prepared: Prepared, rows: NDArray[np.int64] | None) -> TensorDataset:
    """Return rows of a prepared table, all where None, with classes or a column of numbers as the target."""
    x, y = torch.from_numpy(prepared.features), torch.from_numpy(prepared.target)
    y = y.float().unsqueeze(1) if y.is_floating_point() else y
    return TensorDataset(x, y) if rows is None else TensorDataset(x[rows], y[rows])


def _parts(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not table.classes:
        return held_out(len(table), VALID_SHARE, seed=0)
    codes = table.target.astype(np.int64)
    single = np.flatnonzero(np.bincount(codes)[codes] == 1)
    rows = np.setdiff1d(np.arange(len(table)), single)
    if not len(rows):
        raise BadInput(
            f"{table.source}: the target {table.target_name!r} has another class in every row. "
            "Choose another --column, or pass --target-kind number if it holds numbers."
        )
    train, valid = held_out_by_class(codes[rows], VALID_SHARE, seed=0)
    return np.sort(np.concatenate([rows[train], single])), rows[valid]


def _single_notes(table: Table) -> tuple[str, ...]:
    counts = np.bincount(table.target.astype(np.int64)) if table.classes else np.empty(0)
    single = [table.classes[code] for code in np.flatnonzero(counts == 1).tolist()]
    listed = ", ".join(map(repr, single[:5])) + ", ..." * (len(single) > 5)
    return (f"{table.source}: classes with one row are in training only: {listed}",) if single else ()


def _unknown_notes(path: Path, prepared: Prepared) -> tuple[str, ...]:
    return tuple(
        f"{path}: column {name!r} has a value that is rare or absent in training in {plural(number, 'row')}"
        for name, number in prepared.unknown.items()
    )


def _read(path: Path, column: str | int, options: TableOptions) -> Table:
    if not is_store(path):
        return read_table(path, column, options)
    table = read_stored_table(path)
    if column not in (table.target_name, -1) or options != DETECTED:
        raise BadInput(
            f"{path} was packed to predict {table.target_name!r}; another --column and the options of its source take "
            "effect when it is packed. Pack it again."
        )
    return table
