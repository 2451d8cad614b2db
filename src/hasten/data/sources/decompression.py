"""Decompressed files, up to a limit: a few bytes can claim to be more than any memory holds."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.base.units import nbytes

LARGEST_RATIO = 200
"""Most that text compresses to is a 20th to a 100th of its size; zeros compress to a 1000th."""
ALWAYS_BYTES = 256 << 20
"""Whatever decompresses to less is read at any ratio."""
_MEMORY_SHARE = 0.5
_PORTION = 1 << 20
_OPENERS: dict[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
    b"BZh": ("bzip2", bz2.open),
}
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What the decompressors raise for a damaged file; that of bzip2 is a plain OSError."""


def compression_of(content: bytes) -> str | None:
    """Return the compression that a file with these first bytes has, or None."""
    return next((name for magic, (name, _) in _OPENERS.items() if content.startswith(magic)), None)


def largest(compressed_bytes: int) -> int:
    """Return to how many bytes a file of this size may decompress."""
    return max(ALWAYS_BYTES, LARGEST_RATIO * compressed_bytes)


def fits_in_memory(size: int) -> bool:
    """Return whether so many bytes take less than half of the memory that is free."""
    return size <= _MEMORY_SHARE * psutil.virtual_memory().available


def too_large(path: Path, size: int, compressed_bytes: int) -> BadInput:
    """Return the error for a file that decompresses to more than it may."""
    return BadInput(
        f"{printable_name(path)} decompresses to more than {nbytes(size)} from {nbytes(compressed_bytes)}, so it was "
        "not read: it is a decompression bomb or larger than the free memory. If it is genuine, decompress it first."
    )


@contextmanager
def decompressed(path: Path) -> Generator[IO[bytes]]:
    """Open a file for reading, decompressed where its first bytes say that it is compressed; can be seeked.

    Raises:
        BadInput: while reading, where it decompresses to more than `largest` allows.
    """
    with path.open("rb") as file:
        start = file.read(6)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        for magic, (_, opener) in _OPENERS.items():
            if start.startswith(magic):
                with opener(file) as stream:
                    yield io.BufferedReader(_Limited(stream, path, size), _PORTION)
                return
        yield file


def read_decompressed(path: Path) -> bytes:
    """Return all that a compressed file holds.

    Raises:
        BadInput: where it decompresses to more than `largest` allows, or than half of the free memory.
    """
    parts: list[bytes] = []
    size = 0
    with decompressed(path) as stream:
        while part := stream.read(_PORTION):
            parts.append(part)
            size += len(part)
            if size % (64 * _PORTION) == 0 and not fits_in_memory(2 * size):  # once more to join the parts
                raise too_large(path, size, path.stat().st_size)
    return b"".join(parts)


class _Limited(io.RawIOBase):
    """A decompressed stream that raises once it is longer than it may be."""

    def __init__(self, stream: IO[bytes], path: Path, compressed_bytes: int) -> None:
        self._stream = stream
        self._path = path
        self._compressed_bytes = compressed_bytes
        self._limit = largest(compressed_bytes)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        content = self._stream.read(len(view))
        view[: len(content)] = content
        self._check(self._stream.tell())
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET:
            self._check(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise too_large(self._path, self._limit, self._compressed_bytes)
