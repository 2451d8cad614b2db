"""Windows over the tokens of a store, for next-token prediction."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.data.batch import Batch
from hasten.data.datasets import next_tokens
from hasten.data.store.blocks import CheckedArray


@dataclass(frozen=True)
class StoreWindows(Dataset[Batch]):
    """Windows that do not overlap; the same samples as `hasten.data.datasets.Windows` over the same tokens.

    Each block of tokens is checked when a window first touches it.

    Args:
        tokens: a stream of a store.
        length: tokens per window.
        start: the first token that counts, to leave a part for validation.
        stop: the end of the tokens that count; all where None.
    """

    tokens: CheckedArray
    length: int
    start: int = 0
    stop: int | None = None

    def __len__(self) -> int:
        stop = len(self.tokens) if self.stop is None else self.stop
        return (stop - self.start - 1) // self.length

    def __getitem__(self, index: int) -> Batch:
        inputs, targets = self.take(torch.tensor([index]))
        return inputs[0], targets[0]

    def take(self, ids: Tensor) -> Batch:
        """Return the windows of `ids` as (batch, length) int64 inputs and targets, by one gather."""
        starts = self.start + ids.numpy() * self.length
        rows = self.tokens.rows(starts, self.length + 1)
        overlapping = torch.from_numpy(rows)[self.start :].unfold(0, self.length + 1, self.length)
        return next_tokens(overlapping.index_select(0, ids))
