"""In which order the labels of a training come."""

import torch
from torch import Tensor

from hasten.base.records.data_facts import Order

FEWEST_BATCHES = 8
"""Batches in which an order is no chance."""

_PERMUTATIONS = 20
_NUMBERS = 20_000


class SeenOrder:
    """Keeps the labels of the first batches, up to some thousands."""

    def __init__(self) -> None:
        self._batches: list[Tensor] = []
        self._kept = 0
        self._numbers: list[Tensor] = []

    def add_numbers(self, targets: Tensor) -> None:
        """Add the targets of a batch that are real numbers, one for each sample."""
        if targets.ndim and targets.numel() == len(targets) and len(self._numbers) < _NUMBERS:
            self._numbers.append(targets.detach().reshape(-1).float().cpu())

    def rising(self) -> float | None:
        """Return the share of the first batches, before any comes again, whose every target is at least the one before.

        None where there are fewer than `FEWEST_BATCHES` batches of two different targets and more.
        """
        batches = [one for one in self._numbers if one.numel() > 1 and bool((one != one[0]).any())]
        again = next((place for place, one in enumerate(batches) if place and torch.equal(one, batches[0])), None)
        batches = batches[:again]
        if len(batches) < FEWEST_BATCHES:
            return None
        steps = [
            (torch.cat([batches[place - 1][-1:], one]) if place else one).diff() for place, one in enumerate(batches)
        ]
        return max(sum(bool((sign * one >= 0).all()) for one in steps) for sign in (1, -1)) / len(steps)

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
