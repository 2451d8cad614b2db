"""Any table with a column to predict: a class or a number, by an MLP."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from hasten.base.errors import BadInput
from hasten.data.sources.on_error import OnBad, left_out_notes
from hasten.data.sources.stored import is_store, read_stored_table
from hasten.data.split import by_fraction, stratified
from hasten.data.tables.parquet import read_parquet
from hasten.data.tables.preprocess import Prepared, fit, transform
from hasten.data.tables.table import Table, read_table
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
    on_bad: OnBad = "raise",
) -> Task:
    """Return the task: predict one column of a table from the others, with a fifth of the rows for validation.

    A file for validation that is given beside that to learn from is used instead.

    A column of text, or of at most 20 distinct whole numbers, is a class: cross-entropy and accuracy, each class with
    its share in both parts. Any other is a number: squared error of the standardized column, and R2. The other columns
    are preprocessed with statistics of the training rows (`hasten.data.tables.preprocess`). A rare or unseen category
    is taken as "other", and noted.

    Args:
        data: the table: CSV or TSV, compressed or not, or Parquet; or a folder with one file to learn from and perhaps
            one to validate on and one for testing, told by their names (see `part_files`).
        column: what to predict, by name or place; the last one where None.
        batch_size: rows per update.
        lr: learning rate of AdamW.
        target: accuracy or R2 on the validation rows at which training ends; None to make all epochs.
        epochs: passes over the training rows at most.
        on_bad: whether a row that cannot be read, or lacks its target, is an error or left out and noted.

    Raises:
        BadInput: if the file cannot be read or lacks the column; the message names file, row and column.
    """
    files = part_files(data)
    table = _read(files.train, -1 if column is None else column, on_bad)
    train, valid = _parts(table) if files.valid is None else (np.arange(len(table)), None)
    how = fit(table, train, unknown="other")
    prepared = transform(how, table)
    features, outputs = prepared.features.shape[1], len(table.classes) or 1
    if not features:
        raise BadInput(f"{data} must have a column beside {table.target_name!r} to predict it from; found none.")
    notes = left_out_notes(files.train, table.skipped)
    checked = prepared
    if files.valid is not None:
        other = _read(files.valid, table.target_name, on_bad)
        checked = transform(how, other)
        notes += left_out_notes(files.valid, other.skipped)
    notes += _unknown_notes(files.valid or files.train, checked)
    return Task(
        name="table",
        data=Data(train=_dataset(prepared, train), valid=_dataset(checked, valid)),
        model=lambda: mlp(features, outputs),
        loss="cross_entropy" if table.classes else "mse",
        metric="accuracy" if table.classes else "r2",
        update=Update(optimizer="adamw", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
        notes=notes,
    )


@dataclass(frozen=True)
class PartFiles:
    """The files of a table: the one to learn from, and the one to validate on if it is given."""

    train: Path
    valid: Path | None = None


def part_files(data: Path) -> PartFiles:
    """Return which file of a folder is for what, by a word in its name; a file is all there is.

    "train" or "data" is to learn from, "valid", "val" or "dev" to validate on, "test" is left alone: whoever tunes
    until a number is good enough needs others to believe it on.

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


def _parts(table: Table) -> tuple[NDArray[np.int64], ...]:
    shares = (1 - VALID_SHARE, VALID_SHARE)
    if not table.classes:
        return by_fraction(len(table), shares, seed=0)
    names = np.array(table.classes)  # so that a class with too few rows is told by its name
    return stratified(names[table.target.astype(np.int64)], shares, seed=0)


def _unknown_notes(path: Path, prepared: Prepared) -> tuple[str, ...]:
    return tuple(
        f"{path}: {count} rows hold a value in column {name!r} that is rare or absent in training; it is taken as other"
        for name, count in prepared.unknown.items()
    )


def _read(path: Path, column: str | int, on_bad: OnBad) -> Table:
    if is_store(path):
        table = read_stored_table(path)
        if column not in (table.target_name, -1):
            raise BadInput(f"{path} was packed to predict {table.target_name!r}; found {column!r}. Pack it again.")
        return table
    if ".parquet" in path.suffixes:
        return read_parquet(path, column, on_bad=on_bad)
    return read_table(path, column, on_bad=on_bad)
