"""One array of a store, mapped into memory; each block is compared with its checksum when it is first touched."""

import mmap
import zlib
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hasten.data.store.damage import Damage, damage_error
from hasten.data.store.manifest import StoredArray
from hasten.data.store.npy import HEADER_BYTES, npy_header

_BLOCKS_AHEAD = 2

RowsToSamples: TypeAlias = Callable[[int, int], tuple[int, int] | None]
"""A range of rows of an array -> the range of samples that they belong to, or None if they belong to none."""


def own_sample(start: int, stop: int) -> tuple[int, int]:
    """Map rows of a fixed column, one per sample, to samples."""
    return start, stop


def no_sample(start: int, stop: int) -> None:
    """Map rows of a stream to samples: there are none."""


def through_offsets(offsets: NDArray[np.int64]) -> RowsToSamples:
    """Return the way from rows of a variable column to samples; `offsets` is (num_samples + 1,), rising from 0."""

    def samples_of(start: int, stop: int) -> tuple[int, int]:
        first = int(np.searchsorted(offsets, start, "right")) - 1
        return max(first, 0), min(int(np.searchsorted(offsets, stop, "left")), len(offsets) - 1)

    return samples_of


def header_damage(folder: Path, stored: StoredArray, num_samples: int | None) -> Damage | None:
    """Return what is wrong with the size or the header of a file, or None; reads no data.

    Args:
        folder: the store.
        stored: what its manifest says of the file.
        num_samples: how many samples the file holds something of; None where its rows belong to no sample.
    """
    path = folder / stored.file
    size = path.stat().st_size if path.is_file() else None
    if size != stored.nbytes:
        end, expected = stored.nbytes, f"{stored.nbytes} bytes"
        found = "no file" if size is None else f"{size} bytes"
    else:
        header = npy_header(np.dtype(stored.dtype), stored.shape)
        with path.open("rb") as file:
            content = file.read(HEADER_BYTES)
        if content == header:
            return None
        place = next(place for place in range(HEADER_BYTES) if content[place] != header[place])
        end, expected = HEADER_BYTES, f"the header to have {header[place]:#04x} at byte {place}"
        found = f"{content[place]:#04x}"
    return Damage(
        file=stored.file,
        block=None,
        byte_range=(0, end),
        rows=(0, stored.shape[0]),
        samples=None if num_samples is None else (0, num_samples),
        expected=expected,
        found=found,
    )


def cut_damage(stored: StoredArray, size: int, samples: tuple[int, int] | None) -> Damage:
    """Return the damage of a file that has fewer bytes than when it was opened."""
    return Damage(
        file=stored.file,
        block=None,
        byte_range=(size, stored.nbytes),
        rows=(max(0, size - HEADER_BYTES) // max(1, stored.row_bytes), stored.shape[0]),
        samples=samples,
        expected=f"{stored.nbytes} bytes as when it was opened",
        found=f"{size} bytes",
    )


class CheckedArray:
    """The rows of one file of a store; a block is checked before any row of it is returned.

    Args:
        folder: the store.
        stored: what its manifest says of the file.
        block_bytes: the size of a block.
        samples_of: which samples rows belong to, for error messages.

    Raises:
        BadInput: if the size of the file or its header is wrong.
    """

    def __init__(self, folder: Path, stored: StoredArray, block_bytes: int, samples_of: RowsToSamples) -> None:
        everything = samples_of(0, stored.shape[0])
        damage = header_damage(folder, stored, everything[1] if everything else None)
        if damage is not None:
            raise damage_error(folder, damage)
        self._samples_of = samples_of
        self.folder = folder
        self.stored = stored
        self.block_bytes = block_bytes
        with (folder / stored.file).open("rb") as file:
            # Copy on write: changing a row in place changes neither the file nor the rows of the next reader.
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        flat = np.frombuffer(self._mapped, stored.dtype, offset=HEADER_BYTES)
        self._rows: NDArray[Any] = flat.reshape(stored.shape)
        self._unchecked = np.ones(len(stored.crc32), np.bool_)
        self._num_unchecked = len(stored.crc32)

    def __len__(self) -> int:
        return self.stored.shape[0]

    def rows(self, ids: NDArray[np.int64], count: int = 1) -> NDArray[Any]:
        """Return the whole array, after checking every block that `count` rows from each of `ids` touch.

        Raises:
            DamagedStore: if one of them is damaged, or the file was cut since it was opened.
        """
        self._require_all()
        if self._num_unchecked and ids.size and self.stored.row_bytes:
            first = ids * self.stored.row_bytes // self.block_bytes
            last = ((ids + count) * self.stored.row_bytes - 1) // self.block_bytes
            touched = np.zeros(len(self._unchecked), np.bool_)
            for step in range(int((last - first).max()) + 1):
                touched[np.minimum(first + step, last)] = True
            self._check(np.flatnonzero(touched & self._unchecked))
        return self._rows

    def span(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` up to `stop`, after checking every block that they touch.

        Raises:
            DamagedStore: if one of them is damaged, or the file was cut since it was opened.
        """
        self._require_all()
        if self._num_unchecked and stop > start and self.stored.row_bytes:
            first = start * self.stored.row_bytes // self.block_bytes
            last = (stop * self.stored.row_bytes - 1) // self.block_bytes
            self._check(first + np.flatnonzero(self._unchecked[first : last + 1]))
        return self._rows[start:stop]

    def damage(self, block: int) -> Damage | None:
        """Return what is wrong with one block, or None; reads all of it."""
        start = block * self.block_bytes
        content = self._rows.reshape(-1).view(np.uint8)[start : start + self.block_bytes]
        found = zlib.crc32(content.data)
        expected = self.stored.crc32[block]
        if f"{found:08x}" == expected:
            return None
        end = start + len(content)
        rows = start // self.stored.row_bytes, -(-end // self.stored.row_bytes)
        return Damage(
            file=self.stored.file,
            block=block,
            byte_range=(HEADER_BYTES + start, HEADER_BYTES + end),
            rows=rows,
            samples=self._samples_of(*rows),
            expected=f"the checksum {expected}",
            found=f"{found:08x}",
        )

    def _require_all(self) -> None:
        """Refuse a file that was cut: the system ends a process that reads what is no longer there (SIGBUS).

        Asked before each batch, since it costs a microsecond; between this and the reading nothing can be asked.
        """
        if (size := self._mapped.size()) < self.stored.nbytes:
            damage = cut_damage(self.stored, size, self._samples_of(0, self.stored.shape[0]))
            raise damage_error(self.folder, damage)

    def _check(self, blocks: NDArray[np.int64]) -> None:
        wanted = blocks.tolist()
        for block in wanted[:_BLOCKS_AHEAD]:
            self._ask_for(block)
        for block, later in zip_longest(wanted, wanted[_BLOCKS_AHEAD:]):
            if later is not None:
                self._ask_for(later)
            damage = self.damage(block)
            if damage is not None:
                raise damage_error(self.folder, damage)
            self._unchecked[block] = False
        self._num_unchecked = int(self._unchecked.sum())

    def _ask_for(self, block: int) -> None:
        """Ask the system to read a block ahead, so that reading and checking overlap."""
        start = (HEADER_BYTES + block * self.block_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
        end = min(HEADER_BYTES + (block + 1) * self.block_bytes, len(self._mapped))
        self._mapped.madvise(mmap.MADV_WILLNEED, start, end - start)
