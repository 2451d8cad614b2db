"""Images and attribution maps as small PNG files inside a page."""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hasten.base.records.attribution import AttributedSample

PIXELS, BESIDE = 27_000, 50
"""Of all samples of a page together, less those that a picture's own header is as large as: the page has 300 kB."""
_FOR, _AGAINST = np.array([23, 99, 198], np.uint8), np.array([179, 50, 31], np.uint8)


def addresses(sample: AttributedSample, *, of: int) -> tuple[str, str]:
    """Return the input and its attributions as `data:` addresses.

    Args:
        sample: an image, (channels, height, width) or (height, width).
        of: so many samples on the page; a larger image than their share of `PIXELS` is scaled down.
    """
    height, width = sample.shape[-2:]
    scale = min(1.0, (max(1, PIXELS / of - BESIDE) / (height * width)) ** 0.5)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    pixels = np.array(sample.inputs, np.float32).reshape(-1, height, width)
    shown = pixels[:3] if len(pixels) >= 3 else pixels[:1]  # of other channels the first
    low, high = float(shown.min()), float(shown.max())
    gray = ((shown - low) / ((high - low) or 1.0) * 255).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(gray[..., 0] if gray.shape[2] == 1 else gray)
    found = Image.fromarray(_colors(np.array(sample.attributions, np.float32).reshape(height, width)))
    return _address(image, size), _address(found, size)


def _colors(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (height, width, 4): blue for the prediction, red against it, transparent where there is nothing."""
    strength = np.abs(values) / (float(np.percentile(np.abs(values), 99)) or float(np.abs(values).max()) or 1.0)
    colors = np.where((values >= 0)[..., None], _FOR, _AGAINST)
    return np.concatenate([colors, (255 * strength.clip(0, 1)).astype(np.uint8)[..., None]], axis=2)


def _address(image: Image.Image, size: tuple[int, int]) -> str:
    content = BytesIO()
    (image if image.size == size else image.resize(size, Image.Resampling.BOX)).save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
