"""Functions in the few lines that a script of one's own needs; stand-ins for hasten's own when it is copied.

Readers read what hasten reads, but say little about files that are damaged; batches are what a script has: a tuple or a
dict of tensors.
"""

import bz2
import gzip
import lzma
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed if its name says that it is compressed."""
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    with openers.get(path.suffix, open)(path, "rb") as file:
        return file.read()


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8."""
    return read_bytes(path).decode("utf-8-sig")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file of bytes: a header of 4 + 4 x dimensions bytes, then the values."""
    content = read_bytes(path)
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4).tolist()
    return np.frombuffer(content, np.uint8, math.prod(shape), offset=4 + 4 * len(shape)).reshape(shape).copy()


def check_labels(labels: NDArray[Any], *, num_samples: int, num_classes: int, where: str) -> None:
    """Raise an error unless there is one label per sample, each the number of a class."""
    if len(labels) != num_samples or labels.max() >= num_classes:
        raise ValueError(f"{where} must hold {num_samples} labels below {num_classes}.")


def map_tensors(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch with a change made to every tensor."""
    if isinstance(batch, dict):
        return {name: change(tensor) for name, tensor in batch.items()}
    return tuple(map(change, batch))


STAND_INS: dict[tuple[str, str], str] = {
    ("hasten.data.sources.content", "read_bytes"): "read_bytes",
    ("hasten.data.sources.content", "read_text"): "read_text",
    ("hasten.data.sources.source", "read_prose"): "read_text",
    ("hasten.data.sources.idx", "read_idx"): "read_idx",
    ("hasten.data.tables.labels", "check_labels"): "check_labels",
    ("hasten.data.batch", "map_tensors"): "map_tensors",
}
"""(module, name) of hasten -> name in this module."""
