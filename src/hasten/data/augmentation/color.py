"""Color transforms of uint8 images, (batch, height, width, 3): brightness, contrast, saturation, hue, gray.

Averages over an image are sums of integers, so that the order of summation changes no bit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.augmentation.draws import Draws
from hasten.data.batch import Batch, first_input, with_first_input

_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # ITU-R BT.601, as in Pillow and torchvision


def brighten(images: Tensor, factors: Tensor) -> Tensor:
    """Return the images times a factor each, (batch,)."""
    return _stored(images.float() * _each(factors, images))


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Return the images with their distance from their mean gray times a factor each."""
    mean = gray(images).sum((1, 2, 3), dtype=torch.int64).double() / (images.shape[1] * images.shape[2])
    return away_from(images, mean.round().float().view(-1, 1, 1, 1), factors)


def saturate(images: Tensor, factors: Tensor) -> Tensor:
    """Return the images with their distance from gray, pixel by pixel, times a factor each."""
    return away_from(images, gray(images).float(), factors)


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Return the images with their hue rotated; `turns` (batch,) in whole turns."""
    colors = images.float()
    red, green, blue = colors.unbind(3)
    value, low = colors.amax(3), colors.amin(3)
    chroma = value - low
    spread = torch.where(chroma == 0, 1.0, chroma)
    hue = torch.where(
        value == red,
        (green - blue) / spread,
        torch.where(value == green, (blue - red) / spread + 2, (red - green) / spread + 4),
    )
    hue = hue + 6 * _each(turns, images)[..., 0]
    parts: list[Tensor] = []
    for shift in (5, 3, 1):
        place = torch.remainder(hue + shift, 6)
        parts.append(value - chroma * torch.minimum(place, 4 - place).clamp(0, 1))
    return _stored(torch.stack(parts, dim=3))


def gray(images: Tensor) -> Tensor:
    """Return the gray of each pixel, (batch, height, width, 1) uint8."""
    red, green, blue = images.float().split(1, dim=3)
    return _stored(red * _RED + green * _GREEN + blue * _BLUE)


def to_gray(images: Tensor, chosen: Tensor) -> Tensor:
    """Return the images, those with `chosen` (batch,) bool in gray."""
    places = chosen.nonzero()[:, 0].to(images.device)
    return images.index_copy(0, places, gray(images.index_select(0, places)).expand(-1, -1, -1, 3).contiguous())


def _each(numbers: Tensor, images: Tensor) -> Tensor:
    return numbers.float().to(images.device).view(-1, 1, 1, 1)


def away_from(images: Tensor, other: Tensor, factors: Tensor) -> Tensor:
    """Return the images with their distance from `other` times a factor each, (batch,)."""
    return _stored((images.float() - other) * _each(factors, images) + other)


def _stored(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _changed(batch: Batch, change: Callable[[Tensor, Tensor], Tensor], numbers: Tensor) -> Batch:
    images = first_input(batch)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise BadInput(
            "colors are changed in uint8 images, (batch, height, width, 3); found "
            f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}. Change colors before normalizing."
        )
    return with_first_input(batch, change(images, numbers))


@dataclass(frozen=True)
class Brightness:
    """Multiply each image by a factor from 1 - strength to 1 + strength."""

    strength: float = 0.4

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return _changed(batch, brighten, draws.between("brightness", 1 - self.strength, 1 + self.strength))


@dataclass(frozen=True)
class Contrast:
    """Move each image away from or towards its mean gray."""

    strength: float = 0.4

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return _changed(batch, contrast, draws.between("contrast", 1 - self.strength, 1 + self.strength))


@dataclass(frozen=True)
class Saturation:
    """Move each pixel away from or towards its gray."""

    strength: float = 0.4

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return _changed(batch, saturate, draws.between("saturation", 1 - self.strength, 1 + self.strength))


@dataclass(frozen=True)
class Hue:
    """Rotate the hue of each image by up to `strength` of the color circle, in either direction."""

    strength: float = 0.1

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return _changed(batch, turn_hue, draws.between("hue", -self.strength, self.strength))


@dataclass(frozen=True)
class Gray:
    """Convert an image to gray with a probability."""

    probability: float = 0.1

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return _changed(batch, to_gray, draws.chosen("gray", self.probability))
