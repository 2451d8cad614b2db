"""Arrays and tables as the store takes them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.store.fingerprint import fingerprint_arrays
from hasten.data.store.manifest import Layout
from hasten.data.store.pack import Chunk, Packing
from hasten.data.store.writer import ColumnSchema
from hasten.data.tables.preprocess import Preprocessing, feature_names, state, transform
from hasten.data.tables.table import Table

_CHUNK_BYTES = 4 << 20


def pack_arrays(arrays: Mapping[str, NDArray[Any]], *, source: Path | str, classes: Sequence[str] = ()) -> Packing:
    """Return arrays of one length, ready to be packed, each as a fixed column.

    Args:
        arrays: (n, ...) each, by name.
        source: the file or folder that they were read from, or the name of what they come from.
        classes: the names of the classes, if there are any.

    Raises:
        BadInput: if they differ in length or there are none.
    """
    return _packing("arrays", source, arrays, classes=classes)


def pack_table(table: Table, preprocessing: Preprocessing | None = None) -> Packing:
    """Return a table, ready to be packed.

    Columns: as it is, "numbers", "codes" and "target"; prepared, "features" and "target". The names of the columns, the
    categories and the preprocessing are among the details.

    Args:
        table: the table.
        preprocessing: how to prepare it; as it is where None.
    """
    if preprocessing is None:
        arrays = {"numbers": table.numbers, "codes": table.codes, "target": table.target}
        details = {"numbers": table.number_names, "codes": table.code_names, "target": (table.target_name,)} | {
            f"categories of {name}": values for name, values in zip(table.code_names, table.categories, strict=True)
        }
        return _packing("table", table.source, arrays, classes=table.classes, details=details, skipped=table.skipped)
    prepared = transform(preprocessing, table)
    text = msgspec.json.encode(state(preprocessing)).decode()
    return _packing(
        "table",
        table.source,
        {"features": prepared.features, "target": prepared.target},
        classes=preprocessing.classes,
        details={
            "features": feature_names(preprocessing),
            "target": (table.target_name,),
            "preprocessing": (text,),
        },
        skipped=table.skipped,
    )


def _packing(
    kind: str,
    source: Path | str,
    arrays: Mapping[str, NDArray[Any]],
    *,
    classes: Sequence[str] = (),
    details: Mapping[str, tuple[str, ...]] | None = None,
    skipped: Sequence[str] = (),
) -> Packing:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise BadInput(f"{source} must have arrays of one length to be packed; found {lengths or 'none'}.")
    content = fingerprint_arrays(arrays, str(source))
    return Packing(
        kind=kind,
        source=source if isinstance(source, Path) else content,
        columns=tuple(
            ColumnSchema(name=name, layout=Layout.FIXED, dtype=array.dtype.str, shape=array.shape[1:])
            for name, array in arrays.items()
        ),
        num_items=next(iter(lengths.values())),
        chunks=partial(_chunks, arrays, skipped),
        preprocessing={"content": content.content},
        classes=tuple(classes),
        details=details or {},
    )


def _chunks(arrays: Mapping[str, NDArray[Any]], skipped: Sequence[str], position: int) -> Iterator[Chunk]:
    total = len(next(iter(arrays.values())))
    row_bytes = sum(array.nbytes for array in arrays.values()) // max(total, 1)
    step = max(1, _CHUNK_BYTES // max(row_bytes, 1))
    for start in range(position, total, step):
        part = slice(start, min(start + step, total))
        left_out = skipped if start == 0 else ()
        yield Chunk(part.stop, {name: array[part] for name, array in arrays.items()}, left_out)
