"""Passing over samples of an epoch, by what is known of them, and weighing those that are used."""

from typing import Any, Protocol

import torch
from torch import Tensor

from hasten.training.loss import LossFunction


class Sampling(Protocol):
    """Which samples an epoch uses, and how much each counts. Remembers what it needs from the losses of a run."""

    def begin(self, *, seed: int, epoch: int, progress: float) -> None:
        """Choose the samples of an epoch, before its first batch; `progress` is the share of the run that is done."""
        ...

    def kept(self) -> Tensor:
        """Return which samples the epoch uses: (samples,) bool, on the CPU."""
        ...

    def expect(self, ids: Tensor) -> None:
        """Note which samples the next batch consists of: (rows,) int64."""
        ...

    def weighed(self, loss: LossFunction) -> LossFunction:
        """Return the loss with each sample weighed, which remembers the loss of each; without gradients as it is."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what the next batch depends on, as tensors and plain values."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        ...


def position_after(places: Tensor, offset: int, count: int, *, end: int) -> int:
    """Return the position in an epoch after `count` more samples, and after what is passed over behind them.

    Args:
        places: of the samples that are used, in the order of the epoch: (used,) int64, rising.
        offset: the position before.
        count: samples that were used.
        end: the position after the last sample.
    """
    index = int(torch.searchsorted(places, offset)) + count
    return int(places[index]) if index < len(places) else end
