"""Changes of uint8 images, (batch, height, width, 3), by their neighbors or by all values of the image."""

import torch
from torch import Tensor

from hasten.data.augmentation.color import away_from

_CENTER, _ALL = 5, 13  # the weight of a pixel among its neighbors, which have 1 each: Pillow's SMOOTH


def sharpen(images: Tensor, factors: Tensor) -> Tensor:
    """Return the images with their distance from a smoothed copy times a factor each; the border stays."""
    whole = images.to(torch.int32)
    rows = whole[:, :-2] + whole[:, 1:-1] + whole[:, 2:]
    around = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    smooth = images.float()
    smooth[:, 1:-1, 1:-1] = ((around + (_CENTER - 1) * whole[:, 1:-1, 1:-1]).float() / _ALL).round()
    return away_from(images, smooth, factors)


def stretch(images: Tensor) -> Tensor:
    """Return the images with the values of each channel spread over 0 to 255 (autocontrast)."""
    low, high = images.amin((1, 2), keepdim=True).float(), images.amax((1, 2), keepdim=True).float()
    flat = low == high
    spread = torch.where(flat, 1.0, high - low)
    scaled = (images.float() - low) * (torch.full_like(spread, 255) / spread)  # 255 / x would be 255 * (1 / x)
    return torch.where(flat, images, scaled.round().to(torch.uint8))


def equalize(images: Tensor) -> Tensor:
    """Return the images with every value about equally frequent in each channel, as Pillow's `ImageOps.equalize`."""
    batch, channels = len(images), images.shape[3]
    values = images.permute(0, 3, 1, 2).reshape(batch * channels, -1).long()
    groups = torch.arange(batch * channels, device=images.device)[:, None] * 256
    counts = torch.bincount((values + groups).flatten(), minlength=256 * batch * channels).view(-1, 256)
    last = counts.gather(1, values.amax(1, keepdim=True))
    step = (values.shape[1] - last) // 255
    before = counts.cumsum(1) - counts
    level = ((before + step // 2) // step.clamp(min=1)).clamp(max=255)
    level = torch.where(step == 0, torch.arange(256, device=images.device), level)
    spread = level.gather(1, values).to(torch.uint8)
    return spread.view(batch, channels, *images.shape[1:3]).permute(0, 2, 3, 1).contiguous()
