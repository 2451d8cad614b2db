"""Turned and slanted images, (batch, height, width, channels): each pixel is the nearest one of the original."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Row = tuple[float, float]


def warp(images: Tensor, matrices: Sequence[tuple[Row, Row]]) -> Tensor:
    """Return images whose pixel at (x, y) is the one at matrix (x, y), both from the center; black where there is none.

    Args:
        images: (batch, height, width, channels) of any dtype.
        matrices: 2 x 2 for each image.
    """
    batch, height, width, channels = images.shape
    place = torch.tensor(list(matrices), dtype=torch.float64).view(batch, 2, 2, 1, 1)
    down = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2)[:, None]
    right = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2)[None, :]
    column = (place[:, 0, 0] * right + place[:, 0, 1] * down + (width - 1) / 2).round().long()
    row = (place[:, 1, 0] * right + place[:, 1, 1] * down + (height - 1) / 2).round().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixel = torch.where(inside, row * width + column, 0).view(batch, -1, 1).to(images.device)
    taken = images.reshape(batch, -1, channels).gather(1, pixel.expand(-1, -1, channels)).view(images.shape)
    return taken.masked_fill(~inside[..., None].to(images.device), 0)


def turn_matrix(degrees: float) -> tuple[Row, Row]:
    """Return the matrix of an image turned by an angle, clockwise on the screen."""
    angle = math.radians(degrees)
    return (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))


def slant_right_matrix(slope: float) -> tuple[Row, Row]:
    """Return the matrix of an image whose rows are moved right by `slope` times their distance below the center."""
    return (1.0, -slope), (0.0, 1.0)


def slant_down_matrix(slope: float) -> tuple[Row, Row]:
    """Return the matrix of an image whose columns are moved down by `slope` times their distance behind the center."""
    return (1.0, 0.0), (-slope, 1.0)
