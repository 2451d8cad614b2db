"""The mean of pictures, coarsely: whether those of an evaluation lie as those of the training do."""

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 8
"""Rows and columns to which pictures are reduced."""

TURNED = {
    "upside down": lambda picture: picture.flip(0),
    "mirrored": lambda picture: picture.flip(1),
    "turned by 180 degrees": lambda picture: picture.flip(0, 1),
    "transposed": lambda picture: picture.T,
    "turned to the left": lambda picture: picture.rot90(1),
    "turned to the right": lambda picture: picture.rot90(-1),
}
"""How pictures may lie wrong -> what brings their mean to lie so."""


class MeanPicture:
    """Adds up pictures."""

    def __init__(self) -> None:
        self._sums = torch.zeros(2, SIDE, SIDE, dtype=torch.float64)
        self._counted = 0

    def add(self, numbers: Tensor) -> None:
        """Add pictures (n, channels, height, width) of at least 8 by 8; others are left out."""
        if numbers.ndim == 4 and min(numbers.shape[2:]) >= SIDE:
            grey = F.adaptive_avg_pool2d(numbers.mean(1, keepdim=True), SIDE).squeeze(1)
            self._sums += torch.stack([grey.sum(0), grey.square().sum(0)])
            self._counted += len(grey)

    def numbers(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the mean picture, row by row, and the standard error of each of its numbers; empty without any."""
        if self._counted < 2:
            return (), ()
        mean, square = self._sums / self._counted
        errors = ((square - mean.square()).clamp_min(0) / self._counted).sqrt()
        return tuple(mean.flatten().tolist()), tuple(errors.flatten().tolist())


def apart(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """Return the mean square of the difference of two mean pictures over its standard error."""
    variance = one[1].square() + other[1].square()
    wide = variance > variance.max() * 1e-3  # a border that is always black has no error
    return float(((one[0] - other[0]).square() / variance)[wide].mean()) if bool(wide.any()) else 0.0


def as_picture(numbers: tuple[float, ...]) -> Tensor:
    """Return the picture of a record."""
    return torch.tensor(numbers, dtype=torch.float64).view(SIDE, SIDE)
