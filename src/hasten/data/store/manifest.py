"""The manifest of a store: its columns, the checksum of each block, and its source.

A store is a folder of plain .npy files and `manifest.json`. Every byte in it is covered: the data by a CRC-32 per
block, the header of each array by comparison with what the manifest says, the manifest by a checksum of its own.
"""

import math
import re
import zlib
from collections.abc import Iterator
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.base.records.record import Record, to_json
from hasten.data.store.fingerprint import SourceFingerprint
from hasten.data.store.npy import HEADER_BYTES

SCHEMA_VERSION = 1
BLOCK_BYTES = 8 << 20
MANIFEST = "manifest.json"
SPLITS = "split"
"""The column that holds the place of each sample's split among the details of the same name."""
_NO_CHECKSUM = b'"crc32": "00000000"'
_CHECKSUM = re.compile(rb'^\{\n  "crc32": "([0-9a-f]{8})"')


Option: TypeAlias = str | int | float | bool | None
"""The value of one option of preprocessing."""


class Layout(StrEnum):
    """How the rows of a column belong to the samples."""

    FIXED = "fixed"  # one row of the same shape per sample
    VARIABLE = "variable"  # some rows per sample: those from offsets[i] to offsets[i + 1]
    STREAM = "stream"  # rows that belong to no single sample: tokens


class StoredArray(Record, frozen=True):
    """One .npy file."""

    file: str
    dtype: str  # as in the header: "<f4"
    shape: tuple[int, ...]
    crc32: tuple[str, ...]  # of each block of the data behind the header

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """The size of the file."""
        return HEADER_BYTES + self.shape[0] * self.row_bytes


class StoredColumn(Record, frozen=True):
    """One column of the samples."""

    name: str
    layout: Layout
    array: StoredArray
    offsets: StoredArray | None = None  # (num_samples + 1,) int64 where the layout is variable


class Manifest(Record, frozen=True):
    """What a store holds and what it was made from."""

    crc32: str  # of this file, with zeros in this place
    schema_version: int
    hasten: str  # the version that packed it
    kind: str  # "images", "texts", "table", "tokens", "arrays"
    num_samples: int
    block_bytes: int
    columns: tuple[StoredColumn, ...]
    source: SourceFingerprint
    preprocessing: dict[str, Option]
    fingerprint: str  # of the content of the source, and of all that decides what is made of it
    classes: tuple[str, ...] = ()
    details: dict[str, tuple[str, ...]] = {}  # what else belongs to the kind: names of columns, a vocabulary
    skipped: tuple[str, ...] = ()  # the message of each sample that was left out

    def arrays(self) -> Iterator[tuple[StoredColumn, StoredArray]]:
        """Yield every file with the column that it belongs to."""
        for column in self.columns:
            yield column, column.array
            if column.offsets is not None:
                yield column, column.offsets


def hasten_version() -> str:
    """Return the version of hasten that is installed."""
    return version("hasten")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a store, with its own checksum."""
    content = to_json(msgspec.structs.replace(manifest, crc32="00000000"))
    checksum = f'"crc32": "{zlib.crc32(content):08x}"'.encode()
    write_atomically(folder / MANIFEST, lambda file: file.write(content.replace(_NO_CHECKSUM, checksum, 1)))


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a store.

    Raises:
        BadInput: if there is no store, its manifest is damaged, or another version of hasten wrote it.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{folder} must be a packed store, a folder with {MANIFEST}; found: {error.strerror}. "
            f"Make one: hasten pack SOURCE {folder}."
        ) from error
    match = _CHECKSUM.match(content)
    found = zlib.crc32(_CHECKSUM.sub(b"{\n  " + _NO_CHECKSUM, content, count=1))
    if match is None or match[1] != f"{found:08x}".encode():
        expected = match[1].decode() if match else "none"
        raise BadInput(
            f"{path}, all {len(content)} bytes: the manifest must have the checksum {expected}; found "
            f"{found:08x}, so it is damaged or was edited. {way_out(folder)}"
        )
    version_found = msgspec.json.decode(content, type=_Versioned).schema_version
    if version_found != SCHEMA_VERSION:
        raise BadInput(
            f"{folder} must be a store of schema version {SCHEMA_VERSION}; found {version_found}, written by another "
            f"version of hasten. {way_out(folder)}"
        )
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} must be the manifest of a store; found: {error}. {way_out(folder)}") from error


def way_out(folder: Path) -> str:
    """Return advice for a store that cannot be used."""
    return f"Pack it again: hasten pack SOURCE {folder} --replace. (A store in hasten's cache: run the command again.)"


class _Versioned(msgspec.Struct):
    schema_version: int
