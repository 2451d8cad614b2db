"""Images as arrays, decoded by Pillow, and JPEG by simplejpeg where it is installed."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.sources.archive import read_members
from hasten.data.sources.class_folders import ClassFolders
from hasten.data.sources.on_error import OnBad, leave_out
from hasten.data.sources.optional import require
from hasten.data.sources.png import png_damage
from hasten.data.sources.stored import StoredImages

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
)
Channels = Literal[1, 3]
ImageSource: TypeAlias = ClassFolders | StoredImages
"""Labeled images: the files of class folders, or a packed store of them."""
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error, zlib.error)
"""All that Pillow raises for a damaged file."""
_JPEG = b"\xff\xd8"
_EXIF = b"Exif\0\0"
_EXIF_WITHIN = 1 << 16  # bytes; EXIF comes right behind the start of a JPEG
_ORIENTATION = 0x0112
_SIMPLEJPEG: Any = import_module("simplejpeg") if find_spec("simplejpeg") else None


@dataclass(frozen=True)
class Pictures:
    """Decoded images of one shape, with their labels.

    Args:
        pixels: (n, height, width, channels) uint8.
        labels: (n,) int64 places in `classes`.
        classes: the names of the classes.
        ids: (n,) the place of each image among the files of the source; ascending.
        skipped: what was left out, one message each.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: NDArray[np.int64]
    skipped: tuple[str, ...]


def decode_image(content: bytes, where: str, *, channels: Channels = 3, size: int | None = None) -> NDArray[np.uint8]:
    """Return an image as (height, width, channels) uint8; 3 channels are red, green, blue, 1 is gray.

    The image is turned as its EXIF orientation says, as viewers show it. Of 16 bits per value the upper 8 are kept,
    rounded. Transparency is dropped, and of an animation the first frame is taken, as in torchvision.

    Args:
        content: the bytes of a file that Pillow can read.
        where: its name, for the error message.
        channels: 1 or 3.
        size: if given, the image is scaled (bilinear, antialiased) until its shorter side is `size` pixels long, and
            the square in its center is kept.

    Raises:
        BadInput: if Pillow is not installed or cannot decode the image.
    """
    pil = require("PIL.Image", package="pillow", what="images")
    pixels = _quick_jpeg(content, pil) if channels == 3 else None
    return _fitted(_by_pillow(content, where, channels, pil) if pixels is None else pixels, channels, size)


def contents(images: ImageSource, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (place, bytes) of each image from `start` on, in the order in which they are stored; see `decoded`."""
    if isinstance(images, StoredImages):
        return ((place, images.content(place)) for place in range(start, len(images)))
    return ((start + place, content) for place, content in read_members(images.members[start:]))


def decoded(
    images: ImageSource, place: int, content: bytes, *, channels: Channels = 3, size: int | None = None
) -> NDArray[np.uint8]:
    """Return one image of a source from what `contents` gave for it; see `decode_image`."""
    if not isinstance(images, StoredImages) or images.shape is None:
        return decode_image(content, images.name_of(place), channels=channels, size=size)
    return _fitted(np.frombuffer(content, np.uint8).reshape(images.shape), channels, size)


def decode_all(
    images: ImageSource,
    *,
    channels: Channels = 3,
    size: int | None = None,
    on_bad: OnBad = "raise",
    skipped: list[str],
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (place, image) for each image of a source, in the order in which they are stored.

    Args:
        images: the source.
        channels: as in `decode_image`.
        size: as in `decode_image`.
        on_bad: whether an image that cannot be decoded is an error or left out.
        skipped: under "skip", the message of each image left out is appended.
    """
    for place, content in contents(images):
        try:
            yield place, decoded(images, place, content, channels=channels, size=size)
        except BadInput as error:
            leave_out(error, on_bad, skipped)


def read_pictures(
    folders: ClassFolders, *, channels: Channels = 3, size: int | None = None, on_bad: OnBad = "raise"
) -> Pictures:
    """Decode all images of a source into one array in memory.

    Raises:
        BadInput: as `decode_image`, and if images differ in size and no `size` is given.
    """
    pixels: NDArray[np.uint8] | None = None
    good = np.zeros(len(folders), np.bool_)
    skipped = list(folders.skipped)
    first = 0
    for place, image in decode_all(folders, channels=channels, size=size, on_bad=on_bad, skipped=skipped):
        if pixels is None:
            pixels, first = np.empty((len(folders), *image.shape), np.uint8), place
        if image.shape != pixels.shape[1:]:
            height, width, _ = image.shape
            raise BadInput(
                f"{folders.source} must hold images of one size to be read as one array; found "
                f"{pixels.shape[2]} x {pixels.shape[1]} in {folders.members[first].name} and {width} x {height} in "
                f"{folders.members[place].name}. Give a size to scale them to."
            )
        pixels[place] = image
        good[place] = True
    if pixels is None:
        raise BadInput(f"{folders.source} must hold at least one image that can be decoded; found none.")
    ids = np.flatnonzero(good)
    if len(ids) < len(folders):
        pixels = pixels[ids]
    return Pictures(pixels, folders.labels[ids], folders.classes, ids, tuple(skipped))


def _by_pillow(content: bytes, where: str, channels: Channels, pil: Any) -> NDArray[np.uint8]:
    damage = png_damage(content)
    if damage is not None:
        raise _undecodable(where, content, damage)
    try:
        with pil.open(io.BytesIO(content)) as image:
            converted = _eight_bits(image, pil).convert("RGB" if channels == 3 else "L")
            orientation = _orientation(image)
    except (*_DECODE_ERRORS, pil.DecompressionBombError) as error:
        reason = "of no kind of image" if isinstance(error, pil.UnidentifiedImageError) else str(error)
        raise _undecodable(where, content, reason) from error
    pixels = np.array(converted, np.uint8).reshape(converted.height, converted.width, channels)
    return _turned(pixels, orientation)


def _eight_bits(image: Any, pil: Any) -> Any:
    """Return the image with 8 bits per value; Pillow's own conversion clips larger values to 255 (its issue 3011)."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    sixteen = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if not sixteen or values.max() > 65535:
        raise ValueError(f"{image.mode}: 32 bits per value, of unknown range")
    return pil.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))


def _orientation(image: Any) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _DECODE_ERRORS:
        return 1  # damaged notes of the camera: viewers show such an image as it is stored


def _turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return pixels that were stored in an EXIF orientation, 1 to 8, as they are to be seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _quick_jpeg(content: bytes, pil: Any) -> NDArray[np.uint8] | None:
    """Return the pixels of a JPEG by simplejpeg, the same as Pillow's in half the time, or None if it cannot tell."""
    if _SIMPLEJPEG is None or not content.startswith(_JPEG):
        return None
    try:
        height, width, colors, _ = _SIMPLEJPEG.decode_jpeg_header(content)
        if colors not in ("YCbCr", "Gray") or height * width > (pil.MAX_IMAGE_PIXELS or 0):
            return None  # print colors, which it reads otherwise, or more pixels than Pillow thinks safe
        pixels = _SIMPLEJPEG.decode_jpeg(content)
        if _EXIF not in content[:_EXIF_WITHIN]:
            return pixels
        with pil.open(io.BytesIO(content)) as image:
            return _turned(pixels, _orientation(image))
    except ValueError:
        return None  # of another kind or damaged: Pillow reads it, or says what is wrong with it


def _fitted(pixels: NDArray[np.uint8], channels: Channels, size: int | None) -> NDArray[np.uint8]:
    """Return pixels with so many channels, and as a square of this side if one is given."""
    if size is None and pixels.shape[2] == channels:
        return pixels
    pil = require("PIL.Image", package="pillow", what="images")
    picture = pil.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert(
        "L" if channels == 1 else "RGB"
    )
    if size is not None:
        picture = _square(picture, size, pil)
    return np.array(picture, np.uint8).reshape(picture.height, picture.width, channels)


def _square(picture: Any, size: int, pil: Any) -> Any:
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    box = (left, top, left + side, top + side)
    return picture.resize((size, size), pil.Resampling.BILINEAR, box=box)


def _undecodable(where: str, content: bytes, reason: str) -> BadInput:
    return BadInput(
        f"{where} must be an image that can be decoded; found {len(content)} bytes that cannot ({reason}). "
        "Get the file again, or leave it out with --skip-bad."
    )
