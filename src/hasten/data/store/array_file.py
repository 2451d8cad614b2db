"""One .npy file of a store while it grows: rows at its end, a CRC-32 for every block behind its header."""

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.records.record import Record
from hasten.data.store.manifest import StoredArray
from hasten.data.store.npy import HEADER_BYTES, npy_header


class FileProgress(Record, frozen=True):
    """How far a file has been written, and the checksums of that part."""

    rows: int
    nbytes: int  # behind the header
    crc32: tuple[str, ...]  # of the whole blocks
    open_crc32: int  # of the block that is not yet full


NOTHING_WRITTEN = FileProgress(rows=0, nbytes=0, crc32=(), open_crc32=0)


class ArrayFile:
    """A growing array.

    Args:
        path: the file; what it holds behind `progress` is cut off.
        dtype: of the values.
        row_shape: of one row.
        block_bytes: the size of a block.
        progress: how far an earlier writer has come.
    """

    def __init__(
        self,
        path: Path,
        *,
        dtype: str,
        row_shape: tuple[int, ...],
        block_bytes: int,
        progress: FileProgress,
    ) -> None:
        self.path = path
        self.block_bytes = block_bytes
        self.dtype = np.dtype(dtype)
        self.row_shape = row_shape
        self._rows, self._nbytes = progress.rows, progress.nbytes
        self._crc32, self._open_crc32 = list(progress.crc32), progress.open_crc32
        # Not buffered: closing after an error must not try to write once more.
        self._file = path.open("r+b" if progress.nbytes else "wb", buffering=0)
        self._file.truncate(HEADER_BYTES + progress.nbytes)
        self._file.seek(HEADER_BYTES + progress.nbytes)

    @property
    def rows(self) -> int:
        """How many rows have been written."""
        return self._rows

    def append(self, rows: NDArray[Any]) -> int:
        """Write rows at the end; return how many bytes they are.

        Args:
            rows: (k, *row_shape) of the file's dtype.
        """
        if rows.dtype != self.dtype or rows.shape[1:] != self.row_shape:
            raise ValueError(
                f"{self.path.name} takes rows of {self.dtype}{self.row_shape}; found {rows.dtype}{rows.shape[1:]}"
            )
        content = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        start = 0
        while start < len(content):
            room = self.block_bytes - self._nbytes % self.block_bytes
            part = content[start : start + room]
            self._write(part)
            self._open_crc32 = zlib.crc32(part, self._open_crc32)
            self._nbytes += len(part)
            start += len(part)
            if self._nbytes % self.block_bytes == 0:
                self._close_block()
        self._rows += len(rows)
        return len(content)

    def progress(self) -> FileProgress:
        """Flush the file to the disk and return how far it has come."""
        os.fsync(self._file.fileno())
        return FileProgress(rows=self._rows, nbytes=self._nbytes, crc32=tuple(self._crc32), open_crc32=self._open_crc32)

    def finish(self) -> StoredArray:
        """Write the header, flush the file to the disk, and return what the manifest says of it."""
        if self._nbytes % self.block_bytes:
            self._close_block()
        shape = (self._rows, *self.row_shape)
        self._file.seek(0)
        self._write(memoryview(npy_header(self.dtype, shape)))
        os.fsync(self._file.fileno())
        return StoredArray(file=self.path.name, dtype=self.dtype.str, shape=shape, crc32=tuple(self._crc32))

    def close(self) -> None:
        """Close the file; what was not flushed may be lost."""
        self._file.close()

    def _write(self, content: memoryview) -> None:
        while content:
            content = content[self._file.write(content) :]

    def _close_block(self) -> None:
        self._crc32.append(f"{self._open_crc32:08x}")
        self._open_crc32 = 0
