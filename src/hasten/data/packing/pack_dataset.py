"""Any map-style data set as a store: its samples computed once, then gathered."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.base.errors import BadInput
from hasten.base.units import plural
from hasten.data.loading.loaders import Fetch, Fetched, gathered
from hasten.data.packing.materialize import (
    MapStyle,
    check_repeatable,
    differing_field,
    fields_of,
    portions,
    some_places,
)
from hasten.data.store.fingerprint import SourceFingerprint
from hasten.data.store.manifest import MANIFEST, Layout, way_out
from hasten.data.store.pack import Chunk, Packing, cached, store_name
from hasten.data.store.reader import Store, StoreSamples
from hasten.data.store.writer import ColumnSchema

_CHUNK_BYTES = 4 << 20


def pack_dataset(dataset: MapStyle, fingerprint: str) -> Packing:
    """Return a data set, ready to be packed: each field of its samples is a fixed column.

    Args:
        dataset: map-style; its samples are always the same.
        fingerprint: of what it is made from (see `hasten.data.packing.dataset_fingerprint`).

    Raises:
        BadInput: while packing, as `hasten.data.packing.materialize.materialize`.
    """
    first = fields_of(dataset, 0)
    sample_bytes = sum(value.nbytes for value in first.values())
    name = f"the data set {type(dataset).__name__} {fingerprint}"
    return Packing(
        kind="dataset",
        source=SourceFingerprint(path=name, num_files=0, nbytes=0, stat=fingerprint, content=fingerprint),
        columns=tuple(
            ColumnSchema(name=name, layout=Layout.FIXED, dtype=value.dtype.str, shape=value.shape)
            for name, value in first.items()
        ),
        num_items=len(dataset),
        chunks=partial(_chunks, dataset, max(1, _CHUNK_BYTES // max(1, sample_bytes))),
    )


def is_packed(dataset: MapStyle, fingerprint: str, cache: Path) -> bool:
    """Return whether a folder of stores holds the store of a data set."""
    return (cache / store_name(pack_dataset(dataset, fingerprint)) / MANIFEST).is_file()


def packed(dataset: Dataset[Any], batch_size: int, *, fingerprint: str, cache: Path) -> Fetch:
    """Fetch from the store of a data set, which is packed at the first fetch if it is not there.

    Args:
        dataset: map-style, with tuples as samples.
        batch_size: samples in a batch.
        fingerprint: of what the data set is made from.
        cache: the folder of stores.
    """
    samples = cast(MapStyle, dataset)
    opened: list[Fetch] = []

    def fetch(ids: Tensor) -> Iterator[Fetched]:
        if not opened:
            packing = pack_dataset(samples, fingerprint)
            store = cached(packing, cache)
            check_same(samples, store)
            names = tuple(column.name for column in packing.columns)
            opened.append(gathered(StoreSamples(store, names), batch_size))
        return opened[0](ids)

    return fetch


def check_same(dataset: MapStyle, store: Store) -> None:
    """Raise unless some samples of a store, evenly spread, are those of the data set.

    Raises:
        BadInput: names the sample and the field that differ.
    """
    if len(store) != len(dataset):
        raise BadInput(
            f"{store.folder} must hold {plural(len(dataset), 'sample')}; found {len(store)}. {way_out(store.folder)}"
        )
    for index in some_places(len(store)):
        sample = fields_of(dataset, index)
        stored = {name: store.take(name, torch.tensor([index]))[0].numpy() for name in sample}
        field = differing_field(sample, stored)
        if field is not None:
            raise BadInput(
                f"{store.folder} must hold the samples of the data set {type(dataset).__name__}; found another field "
                f"{field!r} in sample {index}, so its fingerprint does not tell all that it is made from. Remove the "
                "folder, and give the data set a method `fingerprint` that changes with its samples."
            )


def _chunks(dataset: MapStyle, size: int, position: int) -> Iterator[Chunk]:
    check_repeatable(dataset)
    for done, columns in portions(dataset, position, size):
        yield Chunk(done, columns)
