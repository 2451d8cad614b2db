"""Reading a store: samples by their ids, in one gather, from files mapped into memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from hasten.base.errors import BadInput, unknown_name
from hasten.data.batch import Batch, map_tensors
from hasten.data.loading.gather import rows
from hasten.data.store.blocks import CheckedArray, RowsToSamples, no_sample, own_sample, through_offsets
from hasten.data.store.damage import DamagedStore, damage_error
from hasten.data.store.fingerprint import source_changed
from hasten.data.store.manifest import SPLITS, Layout, Manifest, StoredArray, StoredColumn, read_manifest, way_out
from hasten.data.store.verify import Verification


class Store:
    """A store that is open for reading.

    A block is compared with its checksum, once per process, before anything in it is returned.

    Args:
        folder: where it is.
        manifest: what it says of itself.

    Raises:
        BadInput: if a file is missing, of the wrong size, or has a wrong header, or if offsets are damaged.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._layouts = {column.name: column.layout for column in manifest.columns}
        self._offsets: dict[str, NDArray[np.int64]] = {}
        self._arrays: dict[str, CheckedArray] = {}
        for column in manifest.columns:
            samples_of = own_sample
            if column.offsets is not None:
                self._offsets[column.name] = self._read_offsets(column, column.offsets)
                samples_of = through_offsets(self._offsets[column.name])
            elif column.layout is Layout.STREAM:
                samples_of = no_sample
            self._arrays[column.name] = self._open(column.array, samples_of)

    def __len__(self) -> int:
        return self.manifest.num_samples

    def __reduce__(self) -> tuple[type["Store"], tuple[Path, Manifest]]:
        # Another process opens the files itself rather than being sent what they hold.
        return Store, (self.folder, self.manifest)

    def take(self, name: str, ids: Tensor) -> Tensor:
        """Return the rows of a fixed column, (batch, ...), by one gather.

        Args:
            name: the column.
            ids: (batch,) int64 on the CPU, from 0 to the number of samples - 1.

        Raises:
            BadInput: if a block that holds one of them is damaged.
        """
        return rows(torch.from_numpy(self._array(name, Layout.FIXED).rows(ids.numpy())), ids)

    def items(self, name: str, ids: Tensor) -> list[NDArray[Any]]:
        """Return the rows of each sample in a variable column, not copied: one (rows, ...) array per sample.

        Raises:
            BadInput: if a block that holds one of them is damaged.
        """
        array, offsets = self._array(name, Layout.VARIABLE), self._offsets[name]
        return [array.span(int(offsets[i]), int(offsets[i + 1])) for i in self._checked_ids(ids).tolist()]

    def ragged(self, name: str, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of samples in a variable column concatenated, by one gather.

        Returns:
            (total rows, ...) the rows, and (batch + 1,) int64 where each sample starts and the last one ends.

        Raises:
            BadInput: if a block that holds one of them is damaged.
        """
        wanted, offsets = self._checked_ids(ids).numpy(), self._offsets[name]
        starts, lengths = offsets[wanted], np.diff(offsets)[wanted] if len(wanted) else np.empty(0, np.int64)
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        places = np.repeat(starts - bounds[:-1], lengths) + np.arange(bounds[-1])
        column = torch.from_numpy(self._array(name, Layout.VARIABLE).rows(places))
        return rows(column, torch.from_numpy(places)), torch.from_numpy(bounds)

    def lengths(self, name: str) -> NDArray[np.int64]:
        """Return how many rows each sample has in a variable column, (num_samples,)."""
        self._array(name, Layout.VARIABLE)
        return np.diff(self._offsets[name])

    def stream(self, name: str) -> CheckedArray:
        """Return a column that belongs to no single sample: tokens."""
        return self._array(name, Layout.STREAM)

    def check(self) -> None:
        """Compare every block that was not read yet with its checksum.

        Raises:
            DamagedStore: names the first damaged block.
        """
        for array in self._arrays.values():
            array.span(0, len(array))

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that the source gave; empty if it gave none."""
        return self.manifest.details.get(SPLITS, ())

    def split(self, name: str) -> Tensor:
        """Return the ids of the samples of a split that the source gave, ascending, (n,) int64."""
        if name not in self.splits:
            raise unknown_name("split", name, self.splits)
        codes = self._array(SPLITS, Layout.FIXED).span(0, len(self))
        return torch.from_numpy(np.flatnonzero(codes == self.splits.index(name)))

    def _array(self, name: str, layout: Layout) -> CheckedArray:
        if name not in self._arrays:
            raise unknown_name("column", name, self._arrays)
        if self._layouts[name] is not layout:
            raise BadInput(f"{self.folder}: column {name!r} must be {layout.value}; found {self._layouts[name].value}.")
        return self._arrays[name]

    def _checked_ids(self, ids: Tensor) -> Tensor:
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < len(self):
            raise IndexError(f"ids must be from 0 to {len(self) - 1}; found {int(ids.min())} to {int(ids.max())}")
        return ids

    def _open(self, stored: StoredArray, samples_of: RowsToSamples) -> CheckedArray:
        return CheckedArray(self.folder, stored, self.manifest.block_bytes, samples_of)

    def _read_offsets(self, column: StoredColumn, stored: StoredArray) -> NDArray[np.int64]:
        array = self._open(stored, own_sample)
        offsets = array.span(0, len(array))
        whole = len(offsets) == len(self) + 1 and offsets[0] == 0 and offsets[-1] == column.array.shape[0]
        if not whole or (np.diff(offsets) < 0).any():
            raise DamagedStore(
                f"{self.folder / stored.file}: offsets are corrupt, not increasing from 0 to {column.array.shape[0]} "
                f"in {len(self) + 1} steps. {way_out(self.folder)}"
            )
        return offsets


def open_store(folder: Path, *, source: Path | None = None) -> Store:
    """Open a store; reads its manifest, the headers and the offsets, no samples.

    Args:
        folder: where it is.
        source: if given, what it was made from; it must not have changed since.

    Raises:
        BadInput: if there is no whole store, it is of another version, a file is damaged, or the source has changed.
    """
    manifest = read_manifest(folder)
    if source is not None and (change := source_changed(source, manifest.source)):
        raise BadInput(f"{folder} must be made from {source} as it is now; found {change}. {way_out(folder)}")
    return Store(folder, manifest)


def sound_samples(folder: Path, verification: Verification) -> Tensor:
    """Return the ids of the samples that no damage touches, ascending, (n,) int64: the policy "skip".

    Raises:
        BadInput: if the damage cannot be kept apart from the rest: a header, a size, offsets, a stream.
    """
    manifest = read_manifest(folder)
    sound = np.ones(manifest.num_samples, np.bool_)
    offsets = {column.offsets.file for column in manifest.columns if column.offsets is not None}
    for damage in verification.damage:
        if damage.block is None or damage.samples is None or damage.file in offsets:
            raise damage_error(folder, damage)
        sound[slice(*damage.samples)] = False
    if not sound.any():
        raise BadInput(f"{folder} must hold at least one sample that is whole; found all damaged. Pack it again.")
    return torch.from_numpy(np.flatnonzero(sound))


@dataclass(frozen=True)
class StoreSamples(Dataset[Batch]):
    """The samples of a store as a data set: the inputs, then the target, each a fixed column.

    Args:
        store: the store.
        columns: the names of the columns, the target last.
        ids: (n,) int64, which samples of the store these are; all where None.
    """

    store: Store
    columns: Sequence[str]
    ids: Tensor | None = None

    def __len__(self) -> int:
        return len(self.store) if self.ids is None else len(self.ids)

    def __getitem__(self, index: int) -> Batch:
        return map_tensors(self.take(torch.tensor([index])), lambda column: column[0])

    def take(self, ids: Tensor) -> Batch:
        """Return the samples of `ids` as one batch, by one gather per column."""
        chosen = ids if self.ids is None else self.ids[ids]
        return tuple(self.store.take(name, chosen) for name in self.columns)
