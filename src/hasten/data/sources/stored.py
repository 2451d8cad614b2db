"""A packed store as a source: read again by the commands and tasks that read what it was packed from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.sources.characters import CharacterVocabulary, decode
from hasten.data.sources.texts import Texts
from hasten.data.store.manifest import MANIFEST, Layout
from hasten.data.store.ownership import store_files
from hasten.data.store.reader import Store, open_store
from hasten.data.tables.table import Table


@dataclass(frozen=True)
class StoredImages:
    """Labeled images of a store; the same fields as `ClassFolders`, whose files they were.

    Args:
        store: of the kind "images".
        labels: (n,) int64 places in `classes`.
    """

    store: Store
    labels: NDArray[np.int64]
    ignored: dict[str, int]
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.store)

    @property
    def source(self) -> Path:
        """The folder of the store."""
        return self.store.folder

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.store.manifest.classes

    @property
    def splits(self) -> dict[str, NDArray[np.int64]]:
        """The ids of each split that the source had."""
        return splits_of(self.store)

    @property
    def skipped(self) -> tuple[str, ...]:
        """The message of each image that was left out when the store was packed."""
        return self.store.manifest.skipped

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The height, width and channels of every image; None where their files were kept as they are."""
        column = next(column for column in self.store.manifest.columns if column.name == "image")
        return column.array.shape[1:] if column.layout is Layout.FIXED else None

    def content(self, place: int) -> bytes:
        """Return the bytes of one image: of its file, or of its pixels."""
        ids = torch.tensor([place])
        if self.shape is None:
            return self.store.items("image", ids)[0].tobytes()
        return self.store.take("image", ids).numpy().tobytes()

    def name_of(self, place: int) -> str:
        """Return what to call one image in a message."""
        return f"{self.store.folder}, sample {place}"


def is_store(path: Path) -> bool:
    """Return whether a folder is a packed store, whole or damaged."""
    return path.is_dir() and (path / MANIFEST).is_file() and bool(store_files(path))


def read_stored_images(path: Path) -> StoredImages:
    """Open a store of images.

    Raises:
        BadInput: as `open_store`, and if it is of another kind.
    """
    store = _opened(path, "images")
    return StoredImages(store, store.take("label", _all(store)).numpy(), {})


def read_stored_texts(path: Path) -> Texts:
    """Read the texts of a store.

    Raises:
        BadInput: as `open_store`, and if it is of another kind or damaged.
    """
    store = _opened(path, "texts")
    return Texts(
        source=path,
        texts=tuple(text.tobytes().decode() for text in store.items("text", _all(store))),
        labels=store.take("label", _all(store)).numpy(),
        classes=store.manifest.classes,
        splits=splits_of(store),
        skipped=store.manifest.skipped,
    )


def read_stored_text(path: Path) -> str:
    """Read the text that a store keeps as the tokens of its characters.

    Raises:
        BadInput: as `open_store`, and if it is of another kind, damaged, or has no vocabulary.
    """
    store = _opened(path, "tokens")
    vocabulary = store.manifest.details.get("vocabulary")
    if vocabulary is None:
        raise BadInput(f"{path} holds tokens without the characters that they stand for. Pack the text itself.")
    tokens = store.stream("tokens")
    return decode(tokens.span(0, len(tokens)), CharacterVocabulary("".join(vocabulary)))


def read_stored_table(path: Path) -> Table:
    """Read the table of a store.

    Raises:
        BadInput: as `open_store`, and if it is of another kind, damaged, or was prepared before it was packed.
    """
    store = _opened(path, "table")
    details = store.manifest.details
    if "preprocessing" in details:
        raise BadInput(f"{path} holds a table that is prepared already. Pack the table itself.")
    numbers, codes, target = (store.take(name, _all(store)).numpy() for name in ("numbers", "codes", "target"))
    return Table(
        source=path,
        numbers=numbers,
        number_names=details["numbers"],
        codes=codes,
        code_names=details["codes"],
        categories=tuple(details[f"categories of {name}"] for name in details["codes"]),
        target=target,
        target_name=details["target"][0],
        classes=store.manifest.classes,
        skipped=store.manifest.skipped,
    )


def read_stored_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read every column of a store that is not one of variable length.

    Raises:
        BadInput: as `open_store`, and if it is damaged.
    """
    store = open_store(path)
    arrays: dict[str, NDArray[Any]] = {}
    for column in store.manifest.columns:
        if column.layout is Layout.STREAM:
            stream = store.stream(column.name)
            arrays[column.name] = stream.span(0, len(stream))
        elif column.layout is Layout.FIXED:
            arrays[column.name] = store.take(column.name, _all(store)).numpy()
    return arrays


def splits_of(store: Store) -> dict[str, NDArray[np.int64]]:
    """Return the ids of each split that the source of a store had."""
    return {name: store.split(name).numpy() for name in store.splits}


def _opened(path: Path, kind: str) -> Store:
    store = open_store(path)
    if store.manifest.kind != kind:
        raise BadInput(f"{path} must be a store of {kind}; found one of {store.manifest.kind}. Pass another store.")
    return store


def _all(store: Store) -> torch.Tensor:
    return torch.arange(len(store))
