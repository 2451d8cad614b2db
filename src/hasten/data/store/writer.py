"""Writing a store: chunk by chunk into a folder beside it, which becomes the store by one rename at the end.

After a kill, a full disk or an error, the folder keeps what was written up to the last saved progress, and the same
call resumes there. It never opens as a store: its arrays have no headers and there is no manifest.
"""

import fcntl
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.files import sync_folder
from hasten.base.records.record import Record, load, save
from hasten.base.units import plural
from hasten.data.store.array_file import NOTHING_WRITTEN, ArrayFile, FileProgress
from hasten.data.store.fingerprint import SourceFingerprint
from hasten.data.store.manifest import (
    BLOCK_BYTES,
    SCHEMA_VERSION,
    Layout,
    Manifest,
    Option,
    StoredArray,
    StoredColumn,
    hasten_version,
    write_manifest,
)
from hasten.data.store.ownership import (
    LOCK,
    PROGRESS,
    lock_content,
    partial_files,
    refuse_foreign,
    remove_own,
    store_files,
)

_NOTE_EVERY_BYTES = 64 << 20

Rows: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]
"""The rows of a chunk: (samples, ...) where the layout is fixed, one array per sample where it is variable."""


class ColumnSchema(Record, frozen=True):
    """A column to write."""

    name: str
    layout: Layout
    dtype: str
    shape: tuple[int, ...] = ()  # of one row


class Progress(Record, frozen=True):
    """How far packing has come."""

    fingerprint: str
    block_bytes: int
    columns: tuple[ColumnSchema, ...]
    position: int  # how many items of the source are done
    num_samples: int  # how many samples they gave
    skipped: tuple[str, ...]
    files: dict[str, FileProgress]


class StoreWriter:
    """A store that is being written; to be used in a `with` statement.

    Args:
        destination: the folder to make; a store that is there is replaced at the very end.
        columns: what each sample has.
        fingerprint: of the source and the preprocessing. What an earlier call with the same one has written is kept.
        block_bytes: how many bytes share a checksum.

    Raises:
        BadInput: if another process is writing it, or the disk is full or unwritable.
    """

    def __init__(
        self, destination: Path, columns: Sequence[ColumnSchema], fingerprint: str, *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self.destination = destination
        self.folder = destination.with_name(destination.name + ".partial")
        self.fingerprint = fingerprint
        self.block_bytes = block_bytes
        self.columns = tuple(columns)
        self.position = 0
        self.num_samples = 0
        self.skipped: list[str] = []
        self._files: dict[str, ArrayFile] = {}
        self._bytes_since_note = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._lock()
            self._start(self._read_progress())
        except OSError as error:
            self._open.close()
            raise self._unwritable(error) from error
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def append(self, columns: Mapping[str, Rows], *, position: int, skipped: Sequence[str] = ()) -> None:
        """Add samples.

        Args:
            columns: the rows of every fixed and variable column, all of the same number of samples; rows of streams.
            position: how many items of the source are done with these.
            skipped: the messages of those that were left out.

        Raises:
            BadInput: if the disk is full; what was written before is kept.
        """
        counts = {len(columns[column.name]) for column in self.columns if column.layout is not Layout.STREAM}
        if len(counts) > 1:
            raise ValueError(f"every column of a chunk must have the same number of samples; found {sorted(counts)}")
        try:
            for column in self.columns:
                if column.name in columns:
                    self._bytes_since_note += self._write(column, columns[column.name])
            self.position = position
            self.num_samples += counts.pop() if counts else 0
            self.skipped += skipped
            if self._bytes_since_note >= _NOTE_EVERY_BYTES:
                self._note()
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(
        self,
        *,
        kind: str,
        source: SourceFingerprint,
        preprocessing: Mapping[str, Option],
        classes: Sequence[str] = (),
        details: Mapping[str, Sequence[str]] | None = None,
    ) -> Manifest:
        """Write headers and manifest, flush everything to the disk, and rename the folder into place.

        Args:
            kind: what the samples are.
            source: what they were made from.
            preprocessing: the options with which they were made.
            classes: the names of the classes, if there are any.
            details: what else belongs to the kind, by name.

        Returns:
            the manifest of the store, which now exists.
        """
        try:
            stored = {name: file.finish() for name, file in self._files.items()}
            manifest = Manifest(
                crc32="00000000",
                schema_version=SCHEMA_VERSION,
                hasten=hasten_version(),
                kind=kind,
                num_samples=self.num_samples,
                block_bytes=self.block_bytes,
                columns=tuple(_stored(column, stored) for column in self.columns),
                source=source,
                preprocessing=dict(preprocessing),
                fingerprint=self.fingerprint,
                classes=tuple(classes),
                details={name: tuple(values) for name, values in (details or {}).items()},
                skipped=tuple(self.skipped),
            )
            write_manifest(self.folder, manifest)
            self._into_place()
        except OSError as error:
            raise self._unwritable(error) from error
        return manifest

    def _into_place(self) -> None:
        """Rename the folder to its destination; of a store that is replaced, delete the files that it lists."""
        replaced = None
        if self.destination.exists():
            refuse_foreign(self.destination, store_files(self.destination), self.destination)
            name = tempfile.mkdtemp(prefix=f"{self.destination.name}.", suffix=".replaced", dir=self.folder.parent)
            replaced = Path(name)
            self.destination.rename(replaced)  # onto an empty folder: nobody else's can be in the way
        try:
            self.folder.rename(self.destination)
        except OSError:
            if replaced is not None:
                replaced.rename(self.destination)
            raise
        sync_folder(self.destination.parent)
        (self.destination / PROGRESS).unlink(missing_ok=True)
        (self.destination / LOCK).unlink()
        if replaced is not None:
            remove_own(replaced, store_files(replaced))
            replaced.rmdir()

    def _write(self, column: ColumnSchema, rows: Rows) -> int:
        if column.layout is not Layout.VARIABLE:
            return self._files[column.name].append(np.asarray(rows, column.dtype))
        values, offsets = self._files[column.name], self._files[_offsets(column.name)]
        lengths = np.array([len(part) for part in rows], np.int64)
        ends = values.rows + np.cumsum(lengths)
        empty = np.empty((0, *column.shape), column.dtype)
        return values.append(np.concatenate([empty, *rows])) + offsets.append(ends)

    def _lock(self) -> None:
        """Hold the folder for this process; the system releases it when the process ends, however it ends."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise BadInput(f"{self.folder} is in the way of packing {self.destination}. Move it away.")
        self.folder.mkdir(exist_ok=True)
        if not (self.folder / LOCK).exists():
            refuse_foreign(self.folder, (), self.destination)
        lock = self._open.enter_context((self.folder / LOCK).open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"another process is packing {self.destination}. Wait until it has finished.") from error
        empty = os.fstat(lock.fileno()).st_size == 0  # written below: a kill in between leaves nothing but the lock
        own = frozenset({LOCK}) if empty else partial_files(self.folder)
        refuse_foreign(self.folder, own, self.destination)
        remove_own(self.folder, own - {LOCK, PROGRESS} - self._file_names())
        lock.truncate(0)
        lock.write(lock_content(self._file_names()))
        lock.flush()

    def _file_names(self) -> frozenset[str]:
        variable = (column.name for column in self.columns if column.layout is Layout.VARIABLE)
        return frozenset(f"{name}.npy" for name in (*(c.name for c in self.columns), *map(_offsets, variable)))

    def _start(self, progress: Progress | None) -> None:
        if progress is not None:
            self.position, self.num_samples = progress.position, progress.num_samples
            self.skipped = list(progress.skipped)
        else:
            (self.folder / PROGRESS).unlink(missing_ok=True)
        known = progress.files if progress is not None else {}
        for column in self.columns:
            shape = tuple(column.shape)
            self._add(column.name, column.dtype, shape, known)
            if column.layout is Layout.VARIABLE:
                offsets = self._add(_offsets(column.name), "<i8", (), known)
                if not offsets.rows:
                    offsets.append(np.zeros(1, np.int64))

    def _add(self, name: str, dtype: str, shape: tuple[int, ...], known: Mapping[str, FileProgress]) -> ArrayFile:
        file = ArrayFile(
            self.folder / f"{name}.npy",
            dtype=dtype,
            row_shape=shape,
            block_bytes=self.block_bytes,
            progress=known.get(name, NOTHING_WRITTEN),
        )
        self._open.callback(file.close)
        self._files[name] = file
        return file

    def _read_progress(self) -> Progress | None:
        """Return how far an earlier call came, or None if there was none for this source and these columns."""
        path = self.folder / PROGRESS
        if not path.exists():
            return None
        progress = load(Progress, path)
        wanted = (self.fingerprint, self.block_bytes, self.columns)
        return progress if (progress.fingerprint, progress.block_bytes, progress.columns) == wanted else None

    def _note(self) -> None:
        """Flush all files and note how far they have come."""
        progress = Progress(
            fingerprint=self.fingerprint,
            block_bytes=self.block_bytes,
            columns=self.columns,
            position=self.position,
            num_samples=self.num_samples,
            skipped=tuple(self.skipped),
            files={name: file.progress() for name, file in self._files.items()},
        )
        save(progress, self.folder / PROGRESS)
        self._bytes_since_note = 0

    def _unwritable(self, error: OSError) -> BadInput:
        return BadInput(
            f"{self.destination} must be writable; found after {plural(self.num_samples, 'sample')}: "
            f"{error.strerror or error}. What was noted as done is kept in {self.folder}. Free some space and run the "
            "same command again; it continues from there."
        )


def _stored(column: ColumnSchema, arrays: Mapping[str, StoredArray]) -> StoredColumn:
    return StoredColumn(
        name=column.name,
        layout=column.layout,
        array=arrays[column.name],
        offsets=arrays.get(_offsets(column.name)),
    )


def _offsets(name: str) -> str:
    return f"{name}.offsets"
