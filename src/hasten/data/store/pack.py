"""Pack a source into a store, once: the same call again finds the store, or resumes an interrupted one."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.data.store.damage import DamagedStore
from hasten.data.store.fingerprint import SourceFingerprint, fingerprint_source, hash_values, source_changed
from hasten.data.store.manifest import (
    BLOCK_BYTES,
    SCHEMA_VERSION,
    SPLITS,
    Layout,
    Manifest,
    Option,
    read_manifest,
    way_out,
)
from hasten.data.store.ownership import refuse_foreign, store_files
from hasten.data.store.reader import Store, open_store
from hasten.data.store.verify import verify
from hasten.data.store.writer import ColumnSchema, Rows, StoreWriter

_log = logging.getLogger(__name__)
Ids = NDArray[np.int64]
LABEL = ColumnSchema(name="label", layout=Layout.FIXED, dtype="<i8")
"""The column that holds the place of each sample's class among the classes."""

Progress = Callable[[int, int], None]
"""Called with (items of the source that are done, items in all)."""


@dataclass(frozen=True)
class Chunk:
    """Some samples of a source.

    Args:
        position: how many items of the source are done with these.
        columns: their rows, by column.
        skipped: the messages of those that were left out.
    """

    position: int
    columns: Mapping[str, Rows]
    skipped: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Packing:
    """A source, ready to be packed.

    Args:
        kind: what the samples are.
        source: the file or folder, or the fingerprint of what came from none.
        columns: what each sample has.
        num_items: how many items the source has.
        chunks: from an item on, the samples of the rest.
        preprocessing: the options with which they are made; part of the fingerprint.
        classes: the names of the classes, if there are any.
        details: what else belongs to the kind, by name.
    """

    kind: str
    source: Path | SourceFingerprint
    columns: tuple[ColumnSchema, ...]
    num_items: int
    chunks: Callable[[int], Iterator[Chunk]]
    preprocessing: Mapping[str, Option] = field(default_factory=dict[str, Option])
    classes: tuple[str, ...] = ()
    details: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def pack(
    packing: Packing,
    destination: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Manifest:
    """Write a source into a store, unless that store is already there.

    Args:
        packing: the source.
        destination: the folder to make.
        replace: whether a store that is damaged, of another source or with other options may be replaced.
        progress: called after each chunk.
        block_bytes: how many bytes share a checksum.

    Returns:
        the manifest of the store.

    Raises:
        BadInput: if the destination holds something else, the source changes meanwhile, or the disk is full.
    """
    destination = destination.resolve() if destination.is_symlink() else destination
    if isinstance(packing.source, Path) and packing.source.is_dir():
        _refuse_inside(destination, packing.source)
    source = _fingerprint(packing, destination)
    key = _key(packing, source)
    if destination.exists() and (done := _already_there(destination, source, key, replace=replace)):
        return done
    with StoreWriter(destination, packing.columns, key, block_bytes=block_bytes) as writer:
        for chunk in packing.chunks(writer.position):
            writer.append(chunk.columns, position=chunk.position, skipped=chunk.skipped)
            if progress is not None:
                progress(chunk.position, packing.num_items)
        if isinstance(packing.source, Path) and (change := source_changed(packing.source, source)):
            raise BadInput(f"{packing.source} must not change while it is packed; found {change}. Pack it again.")
        return writer.finish(
            kind=packing.kind,
            source=source,
            preprocessing=packing.preprocessing,
            classes=packing.classes,
            details=packing.details,
        )


def _refuse_inside(destination: Path, source: Path) -> None:
    if source.resolve() in destination.resolve().parents:
        raise BadInput(
            f"{destination} is inside {source}, which would change while it is packed. Choose a place outside."
        )


def split_columns(splits: Mapping[str, Ids]) -> tuple[ColumnSchema, ...]:
    """Return the column for the splits that a source gave, if it gave any."""
    return (ColumnSchema(name=SPLITS, layout=Layout.FIXED, dtype="|u1"),) if splits else ()


def split_details(splits: Mapping[str, Ids]) -> dict[str, tuple[str, ...]]:
    """Return the names of the splits, in the order of their codes."""
    return {SPLITS: tuple(splits)} if splits else {}


def split_codes(num_items: int, splits: Mapping[str, Ids]) -> dict[str, NDArray[np.uint8]]:
    """Return the rows of the column for the splits: (num_items,) the place of each item's split."""
    codes = np.zeros(num_items, np.uint8)
    for code, ids in enumerate(splits.values()):
        codes[ids] = code
    return {SPLITS: codes} if splits else {}


def cached(packing: Packing, cache: Path, *, progress: Progress | None = None) -> Store:
    """Return the store of a source in a folder of stores, every byte of it checked.

    It is packed if it is not there, no longer up to date, or damaged. Its name depends on the path of the source and
    the options: a source that changes replaces its store.

    Raises:
        BadInput: as `pack`.
    """
    folder = cache / store_name(packing)
    try:
        if (store := _up_to_date(packing, folder)) is not None:
            return store
    except DamagedStore:
        _log.warning("the cached store %s is damaged; packing it again", folder)
    pack(packing, folder, replace=True, progress=progress)
    return open_store(folder)


def _up_to_date(packing: Packing, folder: Path) -> Store | None:
    manifest = _manifest(folder)
    if manifest is None or manifest.fingerprint != _key(packing, _fingerprint(packing, folder)):
        return None
    store = open_store(folder)
    store.check()
    return store


def store_name(packing: Packing) -> str:
    """Return the name that the store of a source has in a folder of stores."""
    path = packing.source.path if isinstance(packing.source, SourceFingerprint) else str(packing.source.absolute())
    name = hash_values(path, sorted(packing.preprocessing.items()), packing.columns, packing.classes, packing.details)
    return f"{packing.kind}-{name[:16]}"


def _key(packing: Packing, source: SourceFingerprint) -> str:
    """Return the hash of everything that determines the content of the store."""
    options = sorted(packing.preprocessing.items())
    return hash_values(SCHEMA_VERSION, source.content, options, packing.columns, packing.classes, packing.details)


def _manifest(destination: Path) -> Manifest | None:
    """Return the manifest of a store that can be replaced or None; what is there and is no store is an error."""
    try:
        return read_manifest(destination)
    except BadInput:
        # What is not a store is never removed; one that is damaged or of another version may be replaced.
        if not destination.exists() or store_files(destination):
            return None
        raise


def _fingerprint(packing: Packing, destination: Path) -> SourceFingerprint:
    """Return the fingerprint of the source; its files are not read where a store shows that they are as they were."""
    if isinstance(packing.source, SourceFingerprint):
        return packing.source
    manifest = _manifest(destination)
    known = manifest is not None and manifest.source.path == printable_name(packing.source.absolute())
    if manifest is not None and known and source_changed(packing.source, manifest.source) is None:
        return manifest.source
    return fingerprint_source(packing.source)


def _already_there(destination: Path, source: SourceFingerprint, key: str, *, replace: bool) -> Manifest | None:
    """Return the manifest of the wanted store if it is there, None if it may be written."""
    manifest = _manifest(destination) if replace else read_manifest(destination)
    if manifest is not None and manifest.fingerprint == key and not (replace and verify(destination).damage):
        return manifest
    if manifest is None or replace:
        refuse_foreign(destination, store_files(destination), destination)
        return None
    same = manifest.source.content == source.content
    found = f"the options {manifest.preprocessing}" if same else f"what {manifest.source.path} held at another time"
    raise BadInput(
        f"{destination} must be free or hold this source with these options; found {found}. {way_out(destination)}"
    )
