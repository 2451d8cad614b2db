"""The padding of texts: how long they are without it, and batches without what all of them have of it."""

import torch
from torch import Tensor

from hasten.base.units import percent
from hasten.data.batch import Batch, first_input, map_tensors

LEAST_PADDING = 0.1
"""Share of all tokens below which there is too little to win."""


def lengths_of(tokens: Tensor, padding: int) -> Tensor:
    """Return the place behind the last token of each text that is not padding, (texts,) int64, from (texts, length)."""
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return ((tokens != padding) * places).amax(1)


def least_padding(lengths: Tensor, length: int, padding: int) -> str | None:
    """Return that texts padded to `length` have too little padding, or None if they have enough."""
    share = 1 - float(lengths.double().mean()) / length
    if share < LEAST_PADDING:
        return f"only {percent(share)} of the tokens are padding (the token {padding})"
    return None


def cut_padding(batch: Batch, *, padding: int) -> Batch:
    """Return the batch as long as its longest text, at least 1; columns of the tokens' shape are cut alike."""
    tokens = first_input(batch)
    longest = max(1, int(lengths_of(tokens, padding).max()))
    return map_tensors(batch, lambda one: one[:, :longest] if one.shape[:2] == tokens.shape else one)
