"""Whether a source is still the one that a store was made from."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.base.records.record import Record
from hasten.base.units import plural
from hasten.data.sources.folder import contents_of

_CHUNK_BYTES = 1 << 20
_HEX_DIGITS = 32


class SourceFingerprint(Record, frozen=True):
    """A source as it was when it was read.

    `stat` is a hash of the names, sizes and times of change of its files, `content` one of their names and bytes. A
    source that was copied or touched differs in the first only.
    """

    path: str  # absolute and printable, see `path_of`
    num_files: int
    nbytes: int
    stat: str
    content: str


def fingerprint_source(path: Path) -> SourceFingerprint:
    """Return the fingerprint of a file or a folder; reads all of it.

    Raises:
        BadInput: if it cannot be read.
    """
    try:
        files = _files(path)
        return SourceFingerprint(
            path=printable_name(path.absolute()),
            num_files=len(files),
            nbytes=sum(stat.st_size for stat in files.values()),
            stat=_stat_hash(files),
            content=_content_hash(path, files),
        )
    except OSError as error:
        raise BadInput(f"{path} must be a readable source; found: {error.strerror}.") from error


def path_of(fingerprint: SourceFingerprint) -> Path:
    """Return the path of a source; bytes that are not UTF-8 were written as escapes."""
    return Path(re.sub(r"\\udc([0-9a-f]{2})", lambda match: chr(0xDC00 + int(match[1], 16)), fingerprint.path))


def fingerprint_arrays(arrays: Mapping[str, NDArray[Any]], name: str) -> SourceFingerprint:
    """Return the fingerprint of arrays that come from no file; reads all of them."""
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    content = digest.hexdigest()[:_HEX_DIGITS]
    nbytes = sum(array.nbytes for array in arrays.values())
    return SourceFingerprint(path=name, num_files=0, nbytes=nbytes, stat=content, content=content)


def source_changed(path: Path, packed: SourceFingerprint) -> str | None:
    """Return how a source differs from what it was, or None if it does not.

    The files are read only if a name, a size or a time of change differs.
    """
    try:
        files = _files(path)
        if _stat_hash(files) == packed.stat or _content_hash(path, files) == packed.content:
            return None
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    nbytes = sum(stat.st_size for stat in files.values())
    if (len(files), nbytes) != (packed.num_files, packed.nbytes):
        return (
            f"{plural(len(files), 'file')} of {nbytes} bytes, packed were {packed.num_files} of {packed.nbytes} bytes"
        )
    return "other bytes in files of the same sizes"


def hash_values(*values: Any) -> str:
    """Return a hash of plain values (numbers, texts, lists, dictionaries in a fixed order)."""
    return _hash(_encoded(values))


def _encoded(values: object) -> bytes:
    try:
        return msgspec.json.encode(values)
    except UnicodeEncodeError:  # names of files that are not UTF-8
        return json.dumps(msgspec.to_builtins(values)).encode()


def _files(path: Path) -> dict[str, os.stat_result]:
    """Return the files of a source, as `contents_of` finds them, by their path in it."""
    if not path.is_dir():
        return {path.name: path.stat()}
    return {name: os.stat(path / name) for name in contents_of(path).files}


def _stat_hash(files: dict[str, os.stat_result]) -> str:
    return _hash(_encoded([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files.items()]))


def _content_hash(path: Path, files: dict[str, os.stat_result]) -> str:
    digest = hashlib.sha256()
    for name, stat in files.items():
        digest.update(_encoded([name, stat.st_size]))
        with (path / name if path.is_dir() else path).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:_HEX_DIGITS]


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_HEX_DIGITS]
