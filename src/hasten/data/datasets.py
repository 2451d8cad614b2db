"""Data sets that are more than a list of tensors."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import Dataset

from hasten.data.batch import Batch, batch_of


def next_tokens(windows: Tensor) -> Batch:
    """Return windows of T + 1 tokens, (batch, T + 1), as inputs and targets, (batch, T) int64 each."""
    # Each part is widened as it is copied: one pass less than widening the whole first.
    return batch_of((windows[:, :-1].to(torch.int64).contiguous(), windows[:, 1:].to(torch.int64).contiguous()))


@runtime_checkable
class Takeable(Protocol):
    """A data set that can return many samples at once."""

    def take(self, ids: Tensor) -> Batch:
        """Return the samples of `ids` ((batch,) int64) as one batch."""
        ...


@dataclass(frozen=True)
class Windows(Dataset[Batch]):
    """Windows of a token stream for next-token prediction.

    Sample i is (tokens[iT : iT+T], tokens[iT+1 : iT+T+1]) as int64, T = `length`; windows do not overlap.

    Args:
        tokens: (n,) of any integer dtype; not modified.
        length: tokens per window, T.
    """

    tokens: Tensor
    length: int

    def __len__(self) -> int:
        return max(0, len(self.tokens) - 1) // self.length

    def __getitem__(self, index: int) -> Batch:
        start = index * self.length
        window = self.tokens[start : start + self.length + 1].long()
        return window[:-1], window[1:]

    def take(self, ids: Tensor) -> Batch:
        """Return the windows of `ids` as (batch, length) inputs and targets, by one gather."""
        overlapping = self.tokens.unfold(0, self.length + 1, self.length)
        return next_tokens(overlapping.index_select(0, ids))
