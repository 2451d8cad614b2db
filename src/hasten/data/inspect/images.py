"""Looking at labeled images."""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.base.records.inspection import ColumnSummary, Inspection, Picture
from hasten.base.units import plural
from hasten.data.inspect.summary import class_counts, class_problems, repetitions, shape_counts, source_bytes
from hasten.data.sources.optional import require
from hasten.data.sources.pictures import ImageSource, contents, decoded

_EXAMINED = 2000
_PICTURES = 12
_PICTURE_BYTES = 64 << 10
_SHOWN_AS_THEY_ARE = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif"}
_COLORS = ("red", "green", "blue")


def inspect_images(folders: ImageSource) -> Inspection:
    """Return the summary of labeled images.

    All bytes are read, and compared by a hash; at most 2,000 images, evenly spread, are decoded for sizes and colors.
    """
    examined = set(np.unique(np.linspace(0, len(folders) - 1, _EXAMINED).astype(int)).tolist())
    shown = _to_show(folders)
    keys: list[bytes] = [b""] * len(folders)
    shapes: list[tuple[int, ...]] = []
    histogram = np.zeros((3, 256), np.int64)
    pictures: list[Picture] = []
    broken: list[str] = []
    for place, content in contents(folders):
        keys[place] = hashlib.blake2b(content, digest_size=16).digest()
        if place in examined or place in shown:
            try:
                pixels = decoded(folders, place, content)
            except BadInput as error:
                broken.append(str(error))
                continue
            if place in shown and len(content) <= _PICTURE_BYTES:
                pictures.append(_picture(folders, place, content, pixels))
            if place not in examined:
                continue
            shapes.append((pixels.shape[1], pixels.shape[0]))
            for color in range(3):
                histogram[color] += np.bincount(pixels[:, :, color].reshape(-1), minlength=256)
    duplicates, repeated = repetitions(keys, folders.splits)
    sample = "a sample of " if len(examined) < len(folders) else ""
    images = f"In {sample}{len(examined):,}, the images" if sample else "The images"
    return Inspection(
        source=str(folders.source),
        kind="images",
        num_samples=len(folders),
        examined=len(examined),
        nbytes=source_bytes(folders.source),
        duplicates=duplicates,
        classes=class_counts(folders.labels, folders.classes),
        splits=tuple((name, len(ids)) for name, ids in folders.splits.items()),
        shapes=shape_counts(shapes),
        columns=tuple(_color(name, counts) for name, counts in zip(_COLORS, histogram, strict=True) if counts.any()),
        pictures=tuple(pictures),
        problems=(
            *folders.skipped,
            *folders.remarks,
            *(
                f"Not read: {plural(count, f'{suffix} file' if suffix else 'file without an ending')}."
                for suffix, count in folders.ignored.items()
            ),
            *(
                [f"Cannot be decoded: {len(broken):,} of {sample}{plural(len(examined), 'image')}. {broken[0]}"]
                if broken
                else []
            ),
            *([f"{images} have {len(set(shapes))} sizes."] if len(set(shapes)) > 1 else []),
            *class_problems(folders.labels, folders.classes, folders.splits),
            *repeated,
        ),
    )


def _to_show(folders: ImageSource) -> set[int]:
    """Return the first images of each class, as evenly as there is room for."""
    per_class = -(-_PICTURES // len(folders.classes))
    places = [np.flatnonzero(folders.labels == code)[:per_class] for code in range(len(folders.classes))]
    return set(np.concatenate(places)[:_PICTURES].tolist())


def _picture(folders: ImageSource, place: int, content: bytes, pixels: NDArray[np.uint8]) -> Picture:
    """Return an image as a browser can show it: its file, or its pixels as PNG where that is of another kind."""
    label = folders.classes[int(folders.labels[place])]
    for start, media_type in _SHOWN_AS_THEY_ARE.items():
        if content.startswith(start):
            return Picture(label=label, media_type=media_type, content=content)
    buffer = io.BytesIO()
    require("PIL.Image", package="pillow", what="images").fromarray(pixels).save(buffer, "PNG")
    return Picture(label=label, media_type="image/png", content=buffer.getvalue())


def _color(name: str, counts: NDArray[np.int64]) -> ColumnSummary:
    """Return the summary of a color, 0 to 255, from how often each value occurs."""
    values = np.arange(256)
    used = np.flatnonzero(counts)
    mean = float(counts @ values / counts.sum())
    return ColumnSummary(
        name=name,
        kind="number",
        distinct=len(used),
        low=float(used[0]),
        mean=mean,
        std=float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())),
        high=float(used[-1]),
    )
