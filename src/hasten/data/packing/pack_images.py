"""Labeled images as the store takes them: their bytes as they are, or decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.sources.pictures import Channels, ImageSource, contents, decoded
from hasten.data.sources.stored import StoredImages
from hasten.data.store.fingerprint import hash_values
from hasten.data.store.manifest import Layout
from hasten.data.store.pack import LABEL, Chunk, Packing, split_codes, split_columns, split_details
from hasten.data.store.writer import ColumnSchema

ImageForm = Literal["encoded", "pixels"]
_CHUNK_ITEMS = 256


@dataclass(frozen=True)
class _Choice:
    """How images are packed; `shape` is that of the first one, which all must have if they are packed as pixels."""

    form: ImageForm
    size: int | None
    channels: Channels
    on_bad: OnBad
    shape: tuple[int, ...]


def pack_images(
    folders: ImageSource,
    *,
    form: ImageForm = "pixels",
    size: int | None = None,
    channels: Channels = 3,
    on_bad: OnBad = "raise",
) -> Packing:
    """Return labeled images, ready to be packed.

    Columns: "image", "label", "split" where the source has splits, and "size", (height, width) int32, where the bytes
    are kept. Every image is decoded once in both forms, so that one that cannot be is known now.

    Args:
        folders: the files.
        form: "encoded" keeps the bytes of the files; "pixels" stores (height, width, channels) uint8.
        size: for pixels: scale to squares of this side, as `decode_image` does; where None all must have one size.
        channels: for pixels: 3 for color, 1 for gray.
        on_bad: whether an image that cannot be decoded is an error or left out.

    Raises:
        BadInput: if `size` is given for encoded images. Packing raises it as `decode_image` does, and if images differ
            in size and no `size` is given.
    """
    if form == "encoded":
        if size is not None:
            raise BadInput(f"encoded images keep the size they have; found the size {size}. Pack them as pixels.")
        if isinstance(folders, StoredImages) and folders.shape is not None:
            raise BadInput(
                f"{folders.source} holds pixels, not files of images. Pack its source with --encoded instead."
            )
        image = ColumnSchema(name="image", layout=Layout.VARIABLE, dtype="|u1")
        columns = (image, ColumnSchema(name="size", layout=Layout.FIXED, dtype="<i4", shape=(2,)))
    else:
        shape = (size, size, channels) if size is not None else _first_shape(folders, channels, on_bad)
        columns = (ColumnSchema(name="image", layout=Layout.FIXED, dtype="|u1", shape=shape),)
    choice = _Choice(form, size, channels, on_bad, columns[0].shape)
    return Packing(
        kind="images",
        source=folders.source,
        columns=(*columns, LABEL, *split_columns(folders.splits)),
        num_items=len(folders),
        chunks=partial(_chunks, folders, choice),
        preprocessing={
            "form": form,
            "size": size,
            "channels": channels,
            "on_bad": on_bad,
            "content": _named(folders),
        },
        classes=folders.classes,
        details=split_details(folders.splits),
    )


def _named(folders: ImageSource) -> str:
    """Return a hash of which images these are; that of their bytes is the source's."""
    names = [] if isinstance(folders, StoredImages) else [member.name for member in folders.members]
    return hash_values(names, folders.labels.tolist())


def _chunks(folders: ImageSource, choice: _Choice, position: int) -> Iterator[Chunk]:
    splits = split_codes(len(folders), folders.splits)
    skipped = list(folders.skipped) if position == 0 else []
    good: list[int] = []
    images: list[NDArray[np.uint8]] = []
    sizes: list[tuple[int, ...]] = []
    for done, content in contents(folders, position):
        try:
            pixels = decoded(folders, done, content, channels=choice.channels, size=choice.size)
        except BadInput as error:
            leave_out(error, choice.on_bad, skipped)
        else:
            good.append(done)
            sizes.append(pixels.shape[:2])
            encoded = choice.form == "encoded"
            images.append(np.frombuffer(content, np.uint8) if encoded else _fitting(pixels, choice, folders, done))
        if (done + 1) % _CHUNK_ITEMS == 0 or done + 1 == len(folders):
            columns: dict[str, Any] = {"image": images, "label": folders.labels[good]}
            if choice.form == "encoded":
                columns["size"] = np.array(sizes, np.int32).reshape(-1, 2)
            else:
                columns["image"] = np.array(images, np.uint8).reshape(-1, *choice.shape)
            columns |= {name: codes[good] for name, codes in splits.items()}
            yield Chunk(done + 1, columns, skipped)
            good, images, sizes, skipped = [], [], [], []


def _first_shape(folders: ImageSource, channels: Channels, on_bad: OnBad) -> tuple[int, ...]:
    for place, content in contents(folders):
        try:
            return decoded(folders, place, content, channels=channels).shape
        except BadInput as error:
            leave_out(error, on_bad, [])
    raise BadInput(f"{folders.source} must hold at least one image that can be decoded; found none.")


def _fitting(pixels: NDArray[np.uint8], choice: _Choice, folders: ImageSource, place: int) -> NDArray[np.uint8]:
    if pixels.shape != choice.shape:
        raise BadInput(
            f"{folders.name_of(place)}: images packed as pixels must have one size; found "
            f"{pixels.shape[1]} x {pixels.shape[0]} where the first has {choice.shape[1]} x {choice.shape[0]}. "
            "Give a size to scale them to, or pack them encoded."
        )
    return pixels
