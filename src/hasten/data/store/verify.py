"""Checking a whole store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hasten.base.records.record import Record
from hasten.data.store.blocks import (
    CheckedArray,
    RowsToSamples,
    header_damage,
    no_sample,
    own_sample,
    through_offsets,
)
from hasten.data.store.damage import Damage
from hasten.data.store.manifest import Layout, Manifest, StoredArray, StoredColumn, read_manifest
from hasten.data.store.npy import HEADER_BYTES


class Verification(Record, frozen=True):
    """What was checked and what is damaged."""

    num_blocks: int
    nbytes: int
    damage: tuple[Damage, ...]


def verify(folder: Path, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Compare every byte of a store with its checksums.

    Args:
        folder: the store.
        progress: called with (bytes done, bytes in all).

    Raises:
        BadInput: if there is no store or its manifest itself is damaged.
    """
    manifest = read_manifest(folder)
    stored = [array for _, array in manifest.arrays()]
    total = sum(array.nbytes - HEADER_BYTES for array in stored)
    found: list[Damage] = []
    done = 0
    for part, nbytes in (item for column in manifest.columns for item in _check_column(folder, manifest, column)):
        done += nbytes
        if part is not None:
            found.append(part)
        if progress is not None:
            progress(done, total)
    return Verification(num_blocks=sum(len(array.crc32) for array in stored), nbytes=total, damage=tuple(found))


def _check_column(folder: Path, manifest: Manifest, column: StoredColumn) -> Iterator[tuple[Damage | None, int]]:
    """Yield (damage or None, bytes checked) for each block of the column's files."""
    samples_of: RowsToSamples = no_sample if column.layout is Layout.STREAM else own_sample
    if column.offsets is not None:
        whole = True
        for damage, nbytes in _check(folder, manifest, column.offsets, own_sample):
            whole = whole and damage is None
            yield damage, nbytes
        samples_of = through_offsets(np.load(folder / column.offsets.file)) if whole else no_sample
    yield from _check(folder, manifest, column.array, samples_of)


def _check(
    folder: Path, manifest: Manifest, stored: StoredArray, samples_of: RowsToSamples
) -> Iterator[tuple[Damage | None, int]]:
    damage = header_damage(folder, stored, None if samples_of is no_sample else manifest.num_samples)
    nbytes = stored.nbytes - HEADER_BYTES
    if damage is not None:
        yield damage, nbytes
        return
    array = CheckedArray(folder, stored, manifest.block_bytes, samples_of)
    for block in range(len(stored.crc32)):
        yield array.damage(block), min(manifest.block_bytes, nbytes - block * manifest.block_bytes)
