"""Packing: from a source to a store, once; the same call again finds it done, or goes on where it stopped."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.store.fingerprint import SourceFingerprint, fingerprint_source, hash_values, source_changed
from hasten.data.store.manifest import (
    BLOCK_BYTES,
    MANIFEST,
    SCHEMA_VERSION,
    SPLITS,
    Layout,
    Manifest,
    Option,
    read_manifest,
    way_out,
)
from hasten.data.store.writer import ColumnSchema, Rows, StoreWriter

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
        replace: whether a store of another source or with other options may be replaced.
        progress: called after each chunk.
        block_bytes: how many bytes share a checksum.

    Returns:
        the manifest of the store.

    Raises:
        BadInput: if the destination holds something else, the source changes meanwhile, or the disk is full.
    """
    source = packing.source if isinstance(packing.source, SourceFingerprint) else fingerprint_source(packing.source)
    options = sorted(packing.preprocessing.items())
    key = hash_values(SCHEMA_VERSION, source.content, options, packing.columns, packing.classes, packing.details)
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


def _already_there(destination: Path, source: SourceFingerprint, key: str, *, replace: bool) -> Manifest | None:
    """Return the manifest of the wanted store if it is there, None if what is there may be replaced."""
    try:
        manifest = read_manifest(destination)
    except BadInput:
        # What is not a store is never removed; a store that is damaged or of another version may be replaced.
        if replace and (destination / MANIFEST).is_file():
            return None
        raise
    if manifest.fingerprint == key or replace:
        return manifest if manifest.fingerprint == key else None
    same = manifest.source.content == source.content
    found = f"the options {manifest.preprocessing}" if same else f"what {manifest.source.path} held at another time"
    raise BadInput(
        f"{destination} must be free or hold this source with these options; found {found}. {way_out(destination)}"
    )
