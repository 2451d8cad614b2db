"""A picture of every augmentation: a sample, and what becomes of it with five different random numbers.

    python -m hasten.data.augmentation.gallery docs/augmentation

writes them. The photographs are those that come with scikit-learn.
"""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.data.augmentation.color import Brightness, Contrast, Gray, Hue, Saturation
from hasten.data.augmentation.draws import Augment, Draws
from hasten.data.augmentation.images import Erase, Flip, PadCrop, RandomResizedCrop
from hasten.data.augmentation.mixing import CutMix, MixUp
from hasten.data.augmentation.rows import AddNoise, DropTokens, MaskFeatures, MaskTokens
from hasten.data.augmentation.trivial import TrivialAugment
from hasten.data.sources.optional import require

SIDE = 56
_SHOWN = 5
_GAP = 4
_CELLS, _CELL = 14, 4  # of a row of tokens or features: how many, and pixels each
_COLORS = 64

IMAGES: tuple[Augment, ...] = (
    Flip(),
    PadCrop(padding=8),
    RandomResizedCrop(size=SIDE),
    Erase(probability=0.8),
    Brightness(),
    Contrast(0.8),
    Saturation(0.9),
    Hue(0.3),
    Gray(0.5),
    TrivialAugment(),
    MixUp(classes=2, alpha=1),
    CutMix(classes=2),
)
ROWS: tuple[Augment, ...] = (MaskTokens(mask=0, probability=0.2), DropTokens(padding=0, probability=0.2))
FEATURES: tuple[Augment, ...] = (AddNoise(deviation=2.0), MaskFeatures(probability=0.2), MixUp(alpha=1))


def photographs() -> Tensor:
    """Return two photographs, (2, SIDE, SIDE, 3) uint8.

    Raises:
        BadInput: if Pillow is not installed.
    """
    pil = require("PIL.Image", package="pillow", what="pictures")
    from sklearn.datasets import load_sample_image  # a second of import that only this needs

    found: list[Any] = []
    for name in ("flower.jpg", "china.jpg"):
        pixels = load_sample_image(name)
        side = min(pixels.shape[:2])
        left = (pixels.shape[1] - side) // 2
        found.append(np.asarray(pil.fromarray(pixels[:side, left : left + side]).resize((SIDE, SIDE))))
    return torch.from_numpy(np.stack(found))


def strip(change: Augment, samples: Tensor, targets: Tensor) -> Tensor:
    """Return a sample and five augmented ones side by side.

    Args:
        change: the augmentation.
        samples: (5, height, width, channels) or (5, values), the first of which is shown as it is.
        targets: (5,) or (5, 1).
    """
    changed = change((samples, targets), Draws(0, 0, torch.arange(_SHOWN)))[0]
    shown = torch.cat([samples[:1], changed])
    pictures = shown if shown.ndim == 4 else _cells(shown)
    gap = torch.full((pictures.shape[1], _GAP, 3), 255, dtype=torch.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return torch.cat(parts, dim=1)


def _cells(rows: Tensor) -> Tensor:
    """Return each row as a line of gray cells: black for 0, lighter for larger numbers."""
    levels = (rows.float() / _CELLS * 255).clamp(0, 255).to(torch.uint8)
    wide = levels.repeat_interleave(_CELL, dim=1)[:, None, :, None]
    return wide.expand(-1, 3 * _CELL, -1, 3)


def gallery() -> dict[str, Tensor]:
    """Return the picture of every augmentation by the name of its file, without the ending."""
    flower, china = photographs()
    alone, pairs = torch.stack([flower] * _SHOWN), torch.stack([flower, china, flower, china, flower])
    classes = torch.tensor([0, 1, 0, 1, 0])
    rising = torch.arange(1, _CELLS + 1).repeat(_SHOWN, 1)
    numbers = torch.stack(
        [rising[0].roll(place).float() if place % 2 else rising[0].float() for place in range(_SHOWN)]
    )
    found = {
        name_of(change): strip(change, pairs if isinstance(change, (MixUp, CutMix)) else alone, classes)
        for change in IMAGES
    }
    found |= {name_of(change): strip(change, rising, classes) for change in ROWS}
    found |= {
        name_of(change) + "-rows" * isinstance(change, MixUp): strip(change, numbers, numbers[:, :1])
        for change in FEATURES
    }
    return found


def name_of(change: Augment) -> str:
    """Return the name of an augmentation."""
    return type(change).__name__


def write(folder: Path) -> None:
    """Write every picture as a PNG file.

    Raises:
        BadInput: if Pillow is not installed or the folder cannot be written.
    """
    pil = require("PIL.Image", package="pillow", what="pictures")
    for name, pixels in gallery().items():
        content = io.BytesIO()
        pil.fromarray(pixels.contiguous().numpy()).quantize(_COLORS).save(content, "PNG", optimize=True)
        write_atomically(folder / f"{name}.png", lambda file, content=content: file.write(content.getvalue()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise BadInput("the folder for the pictures must be given; found none.")
    write(Path(sys.argv[1]))
