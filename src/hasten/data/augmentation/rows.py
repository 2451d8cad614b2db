"""Transforms of rows of tokens, (batch, tokens) integers, and of features, (batch, features) floating point."""

from dataclasses import dataclass

import torch

from hasten.data.augmentation.draws import Draws
from hasten.data.batch import Batch, first_input, with_first_input


@dataclass(frozen=True)
class MaskTokens:
    """Replace each token by `mask` with a probability; targets stay."""

    mask: int
    probability: float = 0.1

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        tokens = first_input(batch)
        hidden = draws.uniform("mask", tokens.shape[1]) < self.probability
        return with_first_input(batch, tokens.masked_fill(hidden.to(tokens.device), self.mask))


@dataclass(frozen=True)
class DropTokens:
    """Leave each token out with a probability; the others move together and `padding` fills the end.

    For targets of the whole sequence; those of single positions would no longer fit.
    """

    padding: int
    probability: float = 0.1

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        tokens = first_input(batch)
        dropped = draws.uniform("drop", tokens.shape[1]) < self.probability
        order = dropped.to(torch.uint8).argsort(dim=1, stable=True)
        kept = torch.arange(tokens.shape[1]) < (~dropped).sum(1, keepdim=True)
        moved = tokens.gather(1, order.to(tokens.device))
        return with_first_input(batch, moved.masked_fill(~kept.to(tokens.device), self.padding))


@dataclass(frozen=True)
class AddNoise:
    """Add normal noise to each feature; `deviation` is in the unit of the features."""

    deviation: float = 0.1

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        rows = first_input(batch)
        noise = draws.normal("noise", rows[0].numel()).view(rows.shape)
        return with_first_input(batch, rows + self.deviation * noise.to(rows.device, rows.dtype))


@dataclass(frozen=True)
class MaskFeatures:
    """Replace each feature by `value` with a probability: 0 is the mean of standardized features."""

    probability: float = 0.1
    value: float = 0.0

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        rows = first_input(batch)
        hidden = draws.uniform("mask", rows[0].numel()).view(rows.shape) < self.probability
        return with_first_input(batch, rows.masked_fill(hidden.to(rows.device), self.value))
