"""Stateless random numbers: each is a function of (seed, epoch, sample, use).

A sample gets the same numbers whatever batch, thread or process it is made in, so a run that is resumed, with another
batch size too, makes the same samples.

Source: SplitMix64 (Steele, Lea and Flood, 2014, doi:10.1145/2660193.2660195), one stream per sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hasten.base.seeds import derive
from hasten.data.batch import Batch

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Draws:
    """The random numbers of the samples of one batch.

    Args:
        seed: of the run.
        epoch: in which the samples are used.
        ids: (batch,) int64 on the CPU, which samples they are.
        scope: what the numbers are for, so that two uses get different ones.
    """

    seed: int
    epoch: int
    ids: Tensor
    scope: tuple[object, ...] = ()

    def within(self, *words: object) -> "Draws":
        """Return the draws of a part of this use."""
        return replace(self, scope=(*self.scope, *words))

    def of(self, place: int) -> "Draws":
        """Return the draws of one sample of the batch alone."""
        return replace(self, ids=self.ids[place : place + 1])

    def uniform(self, name: str, count: int = 1) -> Tensor:
        """Return numbers from [0, 1): (batch, count) float64 on the CPU."""
        key = derive(self.seed, "augmentation", self.epoch, *self.scope, name)
        with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
            streams = _mixed(self.ids.numpy().astype(np.uint64) * _STEP + np.uint64(key))
            numbers = _mixed(streams[:, None] + np.arange(1, count + 1, dtype=np.uint64) * _STEP)
        return torch.from_numpy((numbers >> np.uint64(11)) * 2.0**-53)

    def between(self, name: str, low: float, high: float) -> Tensor:
        """Return one number from [low, high) for each sample, (batch,) float64."""
        return low + (high - low) * self.uniform(name)[:, 0]

    def integers(self, name: str, below: int) -> Tensor:
        """Return one number from 0 to `below` - 1 for each sample, (batch,) int64."""
        return (self.uniform(name)[:, 0] * below).long()

    def chosen(self, name: str, probability: float) -> Tensor:
        """Return for each sample whether it is chosen, (batch,) bool."""
        return self.uniform(name)[:, 0] < probability

    def normal(self, name: str, count: int) -> Tensor:
        """Return standard normal numbers, (batch, count) float32; by Box and Muller's transform."""
        radius, angle = self.uniform(name, 2 * count).chunk(2, dim=1)
        return (torch.sqrt(-2 * torch.log1p(-radius)) * torch.cos(2 * torch.pi * angle)).float()


Augment: TypeAlias = Callable[[Batch, Draws], Batch]
"""A batch and the random numbers of its samples in -> an augmented batch; the given one is left as it is."""


def augmented(batch: Batch, changes: Sequence[Augment], draws: Draws) -> Batch:
    """Return the batch after every change, in their order; each has random numbers of its own."""
    for place, change in enumerate(changes):
        batch = change(batch, draws.within(place))
    return batch


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _FIRST
    numbers = (numbers ^ (numbers >> np.uint64(27))) * _SECOND
    return numbers ^ (numbers >> np.uint64(31))
