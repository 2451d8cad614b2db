"""Californian house prices of 1990: a regression on a table with missing values and a column of text.

Source: Pace and Barry, 1997, "Sparse spatial autoregressions", in the form with `ocean_proximity` by A. Geron.
"""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset

from hasten.data.names import Names
from hasten.data.split import held_out
from hasten.data.tables.preprocess import feature_names, fit, transform
from hasten.data.tables.table import TableOptions, read_table
from hasten.tasks.tables import mlp
from hasten.training.task import Data, Stop, Task, Update

TARGET = "median_house_value"
VALID_SHARE = 0.2


def task(
    *,
    data: Path,
    target_column: str = TARGET,
    batch_size: int = 64,
    lr: float = 1e-3,
    target: float | None = 0.78,
    epochs: int = 40,
) -> Task:
    """Return the task: four fifths of the rows to train on, one fifth to validate on, chosen at random.

    Numbers are standardized, missing ones take the median and a column that says so, text becomes one column per
    value, and the target is standardized: all by the training rows alone.

    Args:
        data: the table, CSV, compressed or not.
        target_column: what to predict, a column of numbers.
        batch_size: rows per update.
        lr: learning rate of AdamW.
        target: R2 on the validation rows at which training ends; None to make all epochs.
        epochs: passes over the training rows at most.

    Raises:
        BadInput: if the file cannot be read or lacks the column; the message names file, row and column.
    """
    table = read_table(data, target_column, TableOptions(target_kind="number"))
    train, valid = held_out(len(table), VALID_SHARE, seed=0)
    how = fit(table, train)
    prepared = transform(how, table)
    x, y = torch.from_numpy(prepared.features), torch.from_numpy(np.float32(prepared.target)).unsqueeze(1)
    return Task(
        name="housing",
        data=Data(
            train=TensorDataset(x[train], y[train]),
            valid=TensorDataset(x[valid], y[valid]),
            names=Names(columns=feature_names(how)),
        ),
        model=lambda: mlp(x.shape[1], 1),
        loss="mse",
        metric="r2",
        update=Update(optimizer="adamw", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
    )
