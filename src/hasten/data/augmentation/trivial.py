"""One random change of random strength for each image (Müller and Hutter, 2021, arXiv:2103.10158).

The changes and their ranges are those of torchvision's `TrivialAugmentWide`. They differ in detail: pixels are the
nearest ones, turning and slanting is about the center, shifts go up to half the shorter side, and values are rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from hasten.data.augmentation.color import brighten, contrast, saturate
from hasten.data.augmentation.draws import Draws
from hasten.data.augmentation.geometry import Row, slant_down_matrix, slant_right_matrix, turn_matrix, warp
from hasten.data.augmentation.images import crop
from hasten.data.augmentation.levels import equalize, sharpen, stretch
from hasten.data.batch import Batch, first_input, with_first_input

LEVELS = 31
_LARGEST_FACTOR = 0.99
_LARGEST_SHIFT = 0.5  # of the shorter side
_LARGEST_TURN = 135.0  # degrees

Change: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(images, strengths (batch,) from -1 to 1) -> images."""


def posterize(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images with their lowest bits cleared: none at strength 0, six at 1 or -1."""
    dropped = (strengths.abs() * 6).round().to(images.device, torch.uint8).view(-1, 1, 1, 1)
    return (images >> dropped) << dropped


def solarize(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images with values at and above a threshold inverted; the threshold falls from 255 to 0."""
    threshold = (255 - 255 * strengths.abs()).round().to(images.device, torch.uint8).view(-1, 1, 1, 1)
    return torch.where(images >= threshold, 255 - images, images)


def shift_down(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images shifted down, or up for strengths below 0; new pixels are black."""
    padding = shift_padding(images)
    moved = padding - (strengths * padding).round().long()
    return crop(images, moved, torch.full_like(moved, padding), padding=padding)


def shift_right(images: Tensor, strengths: Tensor) -> Tensor:
    """Return the images shifted right, or left for strengths below 0; new pixels are black."""
    padding = shift_padding(images)
    moved = padding - (strengths * padding).round().long()
    return crop(images, torch.full_like(moved, padding), moved, padding=padding)


def shift_padding(images: Tensor) -> int:
    """Return how many pixels a shift of strength 1 moves."""
    return int(_LARGEST_SHIFT * min(images.shape[1:3]))


def _by_factor(change: Change) -> Change:
    return lambda images, strengths: change(images, 1 + _LARGEST_FACTOR * strengths)


def _by_matrix(matrix: Callable[[float], tuple[Row, Row]], largest: float) -> Change:
    return lambda images, strengths: warp(images, [matrix(largest * strength) for strength in strengths.tolist()])


CHANGES: tuple[Change, ...] = (
    lambda images, strengths: images,
    _by_factor(brighten),
    _by_factor(contrast),
    _by_factor(saturate),
    posterize,
    solarize,
    shift_down,
    shift_right,
    _by_matrix(turn_matrix, _LARGEST_TURN),
    _by_matrix(slant_right_matrix, _LARGEST_FACTOR),
    _by_matrix(slant_down_matrix, _LARGEST_FACTOR),
    _by_factor(sharpen),
    lambda images, strengths: stretch(images),
    lambda images, strengths: equalize(images),
)


@dataclass(frozen=True)
class TrivialAugment:
    """Do one random change to each uint8 image, (batch, height, width, 3)."""

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        images, which = first_input(batch), draws.integers("change", len(CHANGES))
        strengths = draws.integers("level", LEVELS) / (LEVELS - 1)
        strengths = torch.where(draws.chosen("sign", 0.5), strengths, -strengths)
        out = images.clone()
        for place, change in enumerate(CHANGES):
            ids = (which == place).nonzero()[:, 0]
            there = ids.to(images.device)
            if place and len(ids):
                out.index_copy_(0, there, change(images.index_select(0, there), strengths[ids]))
        return with_first_input(batch, out)
