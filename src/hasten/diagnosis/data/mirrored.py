"""Maps of a training, as masks, that fit their pictures better when they are mirrored or turned."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

SAMPLES = 256
"""Samples that are looked at."""

_FITS, _CLEARLY = 0.3, 2.0  # a correlation that is a relation, and how many times as large it is as any other
_SIDE = 8  # pixels
_MOST_SIDE = 64  # larger pictures are averaged to these


class SeenMirrored:
    """Counts the samples whose map fits the picture as it is, and those that fit it mirrored or turned only.

    A picture and its map are correlated in each of the eight (or four, where the sides differ) ways to lay a rectangle
    on itself. A sample counts where one way clearly fits best; symmetric or unrelated ones do not count.
    """

    def __init__(self) -> None:
        self.upright = self.mirrored = self._seen = 0

    def add(self, pictures: Tensor, maps: Tensor) -> None:
        """Add samples: pictures (n, channels, height, width), maps (n, height, width) or (n, 1, height, width).

        Cost: about 50 us a sample of 32 by 32, 200 us of larger ones.
        """
        rows = min(len(pictures), SAMPLES - self._seen)
        if rows <= 0 or not fits(pictures, maps):
            return
        self._seen += rows
        height, width = pictures.shape[2:]
        most = min(height, _MOST_SIDE), min(width, _MOST_SIDE)
        looks = adaptive_avg_pool2d(pictures[:rows].detach().float(), most).cpu()
        looks = torch.cat([looks, (looks - looks.mean((2, 3), keepdim=True)).abs()], 1).flatten(2)
        wanted = adaptive_avg_pool2d(maps[:rows].detach().reshape(rows, height, width).float(), most).cpu()
        alike = torch.stack([_correlation(looks, way.flatten(1)) for way in _ways(wanted)], 1)
        largest, best = alike.max(1)
        others = alike.scatter(1, best.unsqueeze(1), 0.0).amax(1)
        clear = (largest >= _FITS) & (largest > _CLEARLY * others)
        self.upright += int((clear & (best == 0)).sum())
        self.mirrored += int((clear & (best > 0)).sum())


def fits(pictures: Tensor, maps: Tensor) -> bool:
    """Return whether maps have one number for each place of the pictures."""
    return (
        pictures.ndim == 4
        and pictures.is_floating_point()
        and min(pictures.shape[2:]) >= _SIDE
        and len(maps) == len(pictures)
        and tuple(maps.shape[-2:]) == tuple(pictures.shape[2:])
        and maps.numel() == len(maps) * pictures[0, 0].numel()
    )


def _ways(maps: Tensor) -> list[Tensor]:
    """Return maps (n, height, width) as they are, and mirrored and turned in all ways that keep their shape."""
    given = [maps, maps.transpose(1, 2)] if maps.shape[1] == maps.shape[2] else [maps]
    return [one.flip(dims) if dims else one for one in given for dims in ((), (1,), (2,), (1, 2))]


def _correlation(looks: Tensor, maps: Tensor) -> Tensor:
    """Return the largest absolute correlation of each map (n, pixels) with a channel of its picture (n, c, pixels)."""
    looks, maps = looks - looks.mean(2, keepdim=True), maps - maps.mean(1, keepdim=True)
    sizes = looks.norm(dim=2) * maps.norm(dim=1, keepdim=True)
    products = torch.einsum("ncp,np->nc", looks, maps).abs()
    return torch.where(sizes > 0, products / sizes.clamp_min(1e-12), 0.0).amax(1)
