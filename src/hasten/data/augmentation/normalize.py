"""From stored numbers to what a network takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch import Batch, first_input, with_first_input
from hasten.data.loading.reused_memory import ReusedMemory
from hasten.data.loading.side_by_side import side_by_side

_memory = ReusedMemory()
_CACHED_BYTES = 2**19


@dataclass(frozen=True)
class Normalize:
    """Turn (batch, height, width, channels) uint8 into float32 (batch, channels, height, width), (x - mean) / std.

    The memory stays in the order of the pixels: torch's channels-last format, without a copy.

    Args:
        mean: of each channel, in units of 0 to 255.
        std: of each channel, in units of 0 to 255; above 0.
    """

    mean: Sequence[float]
    std: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(number > 0 for number in self.std):
            raise BadInput(f"mean and std must be as many, and std above 0; found {self.mean} and {self.std}.")

    def __call__(self, batch: Batch) -> Batch:
        images = first_input(batch)
        size, height, width, channels = images.shape
        if channels != len(self.mean):
            raise BadInput(f"images must have {len(self.mean)} channels, the last dimension; found {images.shape}.")
        # Broadcasting a vector of 3 over pixels is slow; over whole rows it is one vectorized loop.
        scale, shift = (vector.to(images.device).repeat(width) for vector in self._affine)
        rows = images.reshape(size, height, width * channels)
        if images.is_cpu:
            out = _memory.empty(tuple(rows.shape), torch.float32)
            # A part of the batch at a time: what one operation writes is in the cache for the next.
            portion = max(1, _CACHED_BYTES // max(1, out[:1].nbytes))

            def normalize(source: Tensor, part: Tensor) -> None:
                part.copy_(source).mul_(scale).add_(shift)

            side_by_side(normalize, rows.split(portion), out.split(portion), threads=torch.get_num_threads())
        else:
            out = rows.float().mul_(scale).add_(shift)
        return with_first_input(batch, out.view(size, height, width, channels).permute(0, 3, 1, 2))

    @cached_property
    def _affine(self) -> tuple[Tensor, Tensor]:
        mean, std = (torch.tensor(list(numbers), dtype=torch.float64) for numbers in (self.mean, self.std))
        return (1 / std).float(), (-mean / std).float()


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of (n, height, width, channels) uint8, exactly summed."""
    values = images.reshape(-1, images.shape[-1])
    counts = torch.stack([torch.bincount(channel, minlength=256) for channel in values.unbind(1)]).double()
    levels, total = torch.arange(256, dtype=torch.float64), len(values)
    mean = counts @ levels / total
    std = torch.sqrt((counts * (levels - mean[:, None]) ** 2).sum(1) / total)
    return tuple(mean.tolist()), tuple(std.tolist())
