"""Any table with a column to predict: a class or a number, by an MLP."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from hasten.base.errors import BadInput
from hasten.data.parquet import read_parquet
from hasten.data.prepare import fit, transform
from hasten.data.split import by_fraction, stratified
from hasten.data.table import Table, read_table
from hasten.training.task import Data, Stop, Task, Update

VALID_SHARE = 0.2
WIDTH = 256


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
) -> Task:
    """Return the task: predict one column of a table from the others, with a fifth of the rows for validation.

    A column of text, or of at most 20 distinct whole numbers, is a class: cross-entropy and accuracy, each class with
    its share in both parts. Any other is a number: squared error of the standardised column, and R2. The other columns
    are prepared as `hasten.data.prepare` does, by the training rows alone.

    Args:
        data: the table: CSV or TSV, compressed or not, or Parquet.
        column: what to predict, by name or place; the last one where None.
        batch_size: rows per update.
        lr: learning rate of AdamW.
        target: accuracy or R2 on the validation rows at which training ends; None to make all epochs.
        epochs: passes over the training rows at most.

    Raises:
        BadInput: if the file cannot be read or lacks the column; the message names file, row and column.
    """
    table = _read(data, -1 if column is None else column)
    train, valid = _parts(table)
    prepared = transform(fit(table, train, unknown="other"), table)
    if not prepared.features.shape[1]:
        raise BadInput(f"{data} must have a column beside {table.target_name!r} to predict it from; found none.")
    x, y = torch.from_numpy(prepared.features), torch.from_numpy(prepared.target)
    features, outputs = x.shape[1], len(table.classes) or 1
    y = y if table.classes else y.float().unsqueeze(1)
    return Task(
        name="table",
        data=Data(train=TensorDataset(x[train], y[train]), valid=TensorDataset(x[valid], y[valid])),
        model=lambda: mlp(features, outputs),
        loss="cross_entropy" if table.classes else "mse",
        metric="accuracy" if table.classes else "r2",
        update=Update(optimizer="adamw", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
    )


def _parts(table: Table) -> tuple[NDArray[np.int64], ...]:
    shares = (1 - VALID_SHARE, VALID_SHARE)
    if not table.classes:
        return by_fraction(len(table), shares, seed=0)
    names = np.array(table.classes)  # so that a class with too few rows is told by its name
    return stratified(names[table.target.astype(np.int64)], shares, seed=0)


def _read(path: Path, column: str | int) -> Table:
    return read_parquet(path, column) if ".parquet" in path.suffixes else read_table(path, column)
