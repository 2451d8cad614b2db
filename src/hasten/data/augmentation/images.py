"""Geometric transforms of images, (batch, height, width, channels) of any dtype: flip, crop, erase, resize.

Whole rows are copied at a time. `ChannelsFirst` applies the same transforms to (batch, channels, height, width).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn import functional as F

from hasten.data.augmentation.draws import Augment, Draws
from hasten.data.batch import Batch, first_input, with_first_input
from hasten.data.loading.reused_memory import ReusedMemory
from hasten.data.loading.side_by_side import side_by_side

_memory = ReusedMemory()
_TRIES = 10  # boxes drawn until one fits, as in torchvision


def flip(images: Tensor, flipped: Tensor) -> Tensor:
    """Return the images, those with `flipped` (batch,) bool mirrored left to right."""
    places = flipped.nonzero()[:, 0].to(images.device)
    mirrored = images.index_select(0, places).flip(2)
    if not images.is_cpu or images.dtype == torch.bfloat16:
        return images.index_copy(0, places, mirrored)
    out = _memory.empty(tuple(images.shape), images.dtype).copy_(images) if images.is_contiguous() else images.clone()
    out.numpy()[places.numpy()] = mirrored.numpy()  # whole images; torch's `index_copy` goes number by number here
    return out


def crop(images: Tensor, tops: Tensor, lefts: Tensor, *, padding: int) -> Tensor:
    """Return windows of the images' own size out of the images with a border of zeros.

    Args:
        images: (batch, height, width, channels).
        tops: (batch,) int64 first row of each window, from 0 to 2 x padding.
        lefts: (batch,) int64 first column likewise.
        padding: width of the border.
    """
    batch, height, width, channels = images.shape
    padded = images.new_zeros(batch, height + 2 * padding, width + 2 * padding, channels)
    padded[:, padding : padding + height, padding : padding + width] = images
    if not images.is_cpu:
        tops, lefts = tops.to(images.device), lefts.to(images.device)
        rows = (tops[:, None] + torch.arange(height, device=images.device))[:, :, None]
        columns = (lefts[:, None] + torch.arange(width, device=images.device))[:, None, :]
        return padded[torch.arange(batch, device=images.device)[:, None, None], rows, columns]
    # A row of a window is contiguous if pixel and channel are one axis: one memory copy per row.
    lines = padded.view(batch, height + 2 * padding, -1).numpy()
    windows = sliding_window_view(lines, (height, width * channels), axis=(1, 2))
    taken = windows[np.arange(batch), tops.numpy(), lefts.numpy() * channels]
    return torch.from_numpy(taken).view(batch, height, width, channels)


def erase(images: Tensor, boxes: Tensor, *, value: float) -> Tensor:
    """Return the images with one box of each filled; `boxes` (batch, 4) int64 hold top, bottom, left, right."""
    out = images.clone()
    for image, (top, bottom, left, right) in zip(out, boxes.tolist(), strict=True):
        image[top:bottom, left:right] = value
    return out


def resize(images: Tensor, boxes: Tensor, *, size: int) -> Tensor:
    """Return one box of each image scaled to size x size, bilinear and antialiased.

    Uint8 stays uint8 on the CPU, where torch has a fast kernel for it; elsewhere it goes through float32.
    """
    here = images.is_cpu
    direct = here or images.is_floating_point()
    shape = (len(images), size, size, images.shape[3])
    out = _memory.empty(shape, images.dtype) if here else images.new_empty(shape)

    def scale(place: int, box: list[int]) -> None:
        top, bottom, left, right = box
        # A batch of one, in torch's channels-last format: the kernel then writes that format, too.
        part = images[place, None, top:bottom, left:right].permute(0, 3, 1, 2)
        scaled = F.interpolate(part if direct else part.float(), (size, size), mode="bilinear", antialias=True)
        scaled = scaled[0].permute(1, 2, 0)
        out[place] = scaled if direct else scaled.round().clamp(0, 255)

    side_by_side(scale, range(len(images)), boxes.tolist(), threads=torch.get_num_threads() if here else 1)
    return out


def random_boxes(
    draws: Draws, height: int, width: int, *, scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    """Return a random box for each image, (batch, 4) int64: top, bottom, left, right.

    The first of ten that fits is taken, and the whole image where none does.

    Args:
        draws: the random numbers.
        height: of the image.
        width: of the image.
        scale: smallest and largest area, as shares of the image.
        ratio: smallest and largest width over height; drawn evenly on a logarithmic scale.
    """
    areas = height * width * (scale[0] + (scale[1] - scale[0]) * draws.uniform("area", _TRIES))
    low, high = np.log(ratio)
    ratios = torch.exp(low + (high - low) * draws.uniform("ratio", _TRIES))
    widths, heights = torch.sqrt(areas * ratios).round().long(), torch.sqrt(areas / ratios).round().long()
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    first = fits.long().argmax(1, keepdim=True)
    some = fits.any(1)
    box_width = torch.where(some, widths.gather(1, first)[:, 0], width)
    box_height = torch.where(some, heights.gather(1, first)[:, 0], height)
    corner = draws.uniform("corner", 2)
    top = (corner[:, 0] * (height - box_height + 1)).long()
    left = (corner[:, 1] * (width - box_width + 1)).long()
    return torch.stack([top, top + box_height, left, left + box_width], dim=1)


@dataclass(frozen=True)
class Flip:
    """Mirror images left to right with a probability."""

    probability: float = 0.5

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return with_first_input(batch, flip(first_input(batch), draws.chosen("flip", self.probability)))


@dataclass(frozen=True)
class PadCrop:
    """Shift images by up to `padding` pixels in each direction; new pixels are zero."""

    padding: int = 4

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        tops, lefts = (draws.integers(name, 2 * self.padding + 1) for name in ("top", "left"))
        return with_first_input(batch, crop(first_input(batch), tops, lefts, padding=self.padding))


@dataclass(frozen=True)
class Erase:
    """Fill a random box (Zhong et al., 2017, arXiv:1708.04896; cutout: a square, DeVries and Taylor, 2017).

    Args:
        probability: of doing it to an image.
        scale: area, as shares of the image.
        ratio: width over height.
        value: what the box is filled with.
    """

    probability: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    value: float = 0.0

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        images = first_input(batch)
        boxes = random_boxes(draws, images.shape[1], images.shape[2], scale=self.scale, ratio=self.ratio)
        boxes = boxes * draws.chosen("erase", self.probability)[:, None]  # an empty box where not chosen
        return with_first_input(batch, erase(images, boxes, value=self.value))


@dataclass(frozen=True)
class RandomResizedCrop:
    """Scale a random box to a square (Szegedy et al., 2014, arXiv:1409.4842), image by image."""

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        images = first_input(batch)
        boxes = random_boxes(draws, images.shape[1], images.shape[2], scale=self.scale, ratio=self.ratio)
        return with_first_input(batch, resize(images, boxes, size=self.size))


@dataclass(frozen=True)
class ChannelsFirst:
    """Apply a transform to images that are (batch, channels, height, width)."""

    change: Augment

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        changed = self.change(with_first_input(batch, first_input(batch).permute(0, 2, 3, 1)), draws)
        return with_first_input(changed, first_input(changed).permute(0, 3, 1, 2))
