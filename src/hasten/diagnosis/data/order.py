"""In which order the labels of a training come."""

import torch
from torch import Tensor

from hasten.base.records.data_facts import Order

_PERMUTATIONS = 20


class SeenOrder:
    """Keeps the labels of the first batches, up to some thousands."""

    def __init__(self) -> None:
        self._batches: list[Tensor] = []
        self._kept = 0

    def add(self, labels: Tensor, ignored: int | None) -> None:
        """Add the labels of a batch, one for each sample; labels of pixels and tokens have no order."""
        if labels.ndim != 1 or labels.numel() < 2 or self._kept >= 20_000:
            return
        one = labels.detach().cpu()
        one = one if ignored is None else one[one != ignored]
        self._kept += one.numel()
        self._batches.append(one)

    def order(self) -> Order | None:
        """Return what the labels show; None where fewer than two batches have any."""
        batches = [one for one in self._batches if one.numel() > 1]
        if len(batches) < 2:
            return None
        everything = torch.cat(batches)
        _, everything, counts = everything.unique(return_inverse=True, return_counts=True)
        sizes = [len(one) for one in batches]
        generator = torch.Generator().manual_seed(0)
        shuffled = [
            _top(everything[torch.randperm(len(everything), generator=generator)], sizes) for _ in range(_PERMUTATIONS)
        ]
        return Order(
            batches=len(batches),
            samples=len(everything),
            classes=len(counts),
            top_in_batch=_top(everything, sizes),
            top=float(counts.max()) / len(everything),
            expected=sum(shuffled) / len(shuffled),
        )


def _top(labels: Tensor, sizes: list[int]) -> float:
    """Return the mean share of the most frequent label of a batch."""
    parts = labels.split(sizes)
    return sum(float(one.bincount().max()) / len(one) for one in parts) / len(parts)
