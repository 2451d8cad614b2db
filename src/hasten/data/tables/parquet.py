"""Parquet files as columns that keep their types."""

from pathlib import Path
from typing import Any

import numpy as np
import psutil

from hasten.base.errors import BadInput
from hasten.base.units import nbytes
from hasten.data.sources.optional import arrow
from hasten.data.tables.columns import Columns, distinct_names

_BYTES_PER_VALUE = 8
_MEMORY_SHARE = 2


def read_parquet_columns(path: Path) -> Columns:
    """Return all columns of a Parquet file; a struct becomes one column per field, "a.b".

    Raises:
        BadInput: if pyarrow is not installed, the file is damaged or has no rows, or more than memory can hold.
    """
    pa, parquet = arrow(), arrow("parquet")
    try:
        with parquet.ParquetFile(path) as file:
            _check_size(path, file.metadata)
            data = file.read()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last one of the name of a column
        found = str(error).splitlines()[0]
        raise BadInput(f"{path} must be a whole Parquet file; found: {found}. Get the file again.") from error
    if not data.num_rows:
        raise BadInput(f"{path} must hold at least one row; found none.")
    while any(pa.types.is_struct(kind) for kind in data.schema.types):
        data = data.flatten()
    names, notes = distinct_names(path, data.column_names)
    return Columns(
        path=path,
        data=data.rename_columns(list(names)),
        rows=np.arange(1, data.num_rows + 1),
        declared=frozenset(
            name for name, column in zip(names, data.columns, strict=True) if pa.types.is_dictionary(column.type)
        ),
        notes=notes,
    )


def _check_size(path: Path, metadata: Any) -> None:
    """Raise if the decoded columns exceed half of the available memory: runs of equal values take no room in a file."""
    needed = metadata.num_rows * metadata.num_columns * _BYTES_PER_VALUE
    available = psutil.virtual_memory().available
    if needed > available // _MEMORY_SHARE:
        raise BadInput(
            f"{path} holds {metadata.num_rows:,} rows of {metadata.num_columns} columns, {nbytes(needed)} in memory; "
            f"{nbytes(available)} are available. Use fewer rows or columns."
        )
