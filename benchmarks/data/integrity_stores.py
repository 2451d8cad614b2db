"""Five packed stores, one of each kind, and how a training reads them: shuffled, batch by batch, through the store."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from hasten.data.batch import Batch
from hasten.data.loading.loaders import gathered
from hasten.data.loading.order import shuffled
from hasten.data.packing.pack_arrays import pack_table
from hasten.data.packing.pack_images import pack_images
from hasten.data.packing.pack_texts import pack_texts, pack_tokens
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.pictures import IMAGE_SUFFIXES
from hasten.data.sources.texts import read_text_folders
from hasten.data.store.pack import Packing, pack
from hasten.data.store.reader import Store, StoreSamples, open_store
from hasten.data.store.windows import StoreWindows
from hasten.data.tables.table import read_table

BATCH = 16
CONTEXT = 32  # tokens of a window
BLOCK_BYTES = 10_000  # no multiple of a page, so that blocks meet within one

Read = Callable[[Store], Iterator[Batch]]


@dataclass(frozen=True)
class Kind:
    """One kind of store: what is packed, and how a training reads an epoch of it."""

    name: str
    packing: Packing
    read: Read


def kinds(folder: Path) -> list[Kind]:
    """Make a source of each kind in a folder, and return how it is packed and read."""
    pictures, texts = _pictures(folder / "pictures"), _texts(folder / "texts")
    images = find_class_folders(pictures, IMAGE_SUFFIXES)
    table = read_table(_table(folder / "table.csv"), "target")
    stream = np.random.default_rng(3).integers(0, 50_000, 60_000, np.uint16)
    np.save(folder / "tokens.npy", stream)
    return [
        Kind("images, raw", pack_images(images, size=24), _of_columns("image", "label")),
        Kind("images, encoded", pack_images(images, form="encoded"), _of_rows("image", "size", "label")),
        Kind("texts", pack_texts(read_text_folders(texts)), _of_rows("text", "label")),
        Kind("table", pack_table(table), _of_columns("numbers", "codes", "target")),
        Kind("tokens", pack_tokens(stream, folder / "tokens.npy"), _windows),
    ]


def packed(kind: Kind, folder: Path) -> Path:
    """Pack a store of a kind in several blocks, and return its folder."""
    store = folder / "stores" / kind.name.replace(", ", "-")
    pack(kind.packing, store, block_bytes=BLOCK_BYTES)
    return store


def epoch(kind: Kind, store: Path) -> Iterator[Batch]:
    """Open a store and yield the batches of an epoch."""
    return kind.read(open_store(store))


def _of_columns(*names: str) -> Read:
    """Gather fixed columns, the samples of each split that the source gave in turn."""

    def read(store: Store) -> Iterator[Batch]:
        for ids in _ids_of_splits(store):
            yield from _shuffled(StoreSamples(store, names, ids))

    return read


def _of_rows(variable: str, *fixed: str) -> Read:
    """Gather a variable column, as bytes and where each sample ends, and fixed ones."""

    def read(store: Store) -> Iterator[Batch]:
        for ids in _ids_of_splits(store):
            for part in ids[shuffled(len(ids), seed=0, epoch=0)].split(BATCH):
                yield (*store.ragged(variable, part), *(store.take(name, part) for name in fixed))

    return read


def _windows(store: Store) -> Iterator[Batch]:
    return _shuffled(StoreWindows(store.stream("tokens"), CONTEXT))


def _shuffled(dataset: Dataset[Batch]) -> Iterator[Batch]:
    order = shuffled(len(dataset), seed=0, epoch=0)  # type: ignore[arg-type]
    return (batch for _, batch in gathered(dataset, BATCH)(order))


def _ids_of_splits(store: Store) -> list[Tensor]:
    return [store.split(name) for name in store.splits] or [torch.arange(len(store))]


def _pictures(folder: Path) -> Path:
    from PIL import Image

    random = np.random.default_rng(0)
    for place in range(120):
        path = folder / ("train", "test")[place % 4 == 3] / f"class{place % 3}" / f"{place:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        Image.fromarray(smooth_picture(random, 32)).save(content, "JPEG")
        path.write_bytes(content.getvalue())
    return folder


def smooth_picture(random: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Return a picture of colored squares with some noise, (side, side, 3)."""
    squares = random.integers(0, 230, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1)
    return (squares + random.integers(0, 25, (side, side, 3))).astype(np.uint8)


def _texts(folder: Path) -> Path:
    random = np.random.default_rng(1)
    for place in range(200):
        path = folder / ("train", "test")[place % 4 == 3] / f"class{place % 2}" / f"{place:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(" ".join("word" + str(word) for word in random.integers(0, 1000, random.integers(1, 80))))
    return folder


def _table(path: Path) -> Path:
    random = np.random.default_rng(2)
    rows = ["a,b,c,d,target"]
    for _ in range(1500):
        numbers = ",".join(f"{value:.4f}" for value in random.standard_normal(3))
        rows.append(f"{numbers},{random.choice(['red', 'green', 'blue'])},{random.standard_normal():.4f}")
    path.write_text("\n".join(rows) + "\n")
    return path
