"""What the tokens of a batch are: where they are among the arguments, what is padding, and what is asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hasten.measurement.tensors import tensors_in

_FEWEST = 4  # positions, and samples that a share is read from
_EQUAL = 0.95  # share of targets that are the next token


@dataclass(frozen=True)
class Tokens:
    """The tokens that a model is called with.

    Attributes:
        given: the argument, as it is.
        first: whether its first dimension is the sample.
    """

    given: Tensor
    first: bool

    @property
    def rows(self) -> Tensor:
        """The tokens (samples, positions)."""
        return self.given if self.first else self.given.T

    def arranged(self, rows: Tensor) -> Tensor:
        """Return (samples, positions) as the model takes them."""
        return rows if self.first else rows.T.contiguous()

    def by_position(self, outputs: Sequence[Tensor]) -> Tensor | None:
        """Return the first output that has numbers for each position: (samples, positions, numbers).

        A single number for each position may have no third dimension, as the score of each token of a row.
        """
        samples, positions = self.rows.shape
        for one in outputs:
            if one.shape == self.given.shape:
                one = one.unsqueeze(-1)
            if one.ndim == 2 and len(one) == samples * positions != samples:
                one = one.view(*self.given.shape, -1)
            if one.ndim == 3 and one.shape[:2] == self.given.shape:
                return one if self.first else one.transpose(0, 1)
            if one.ndim == 3 and one.shape[::2] == self.given.shape and self.first:
                return one.transpose(1, 2)
        return None

    def pooled(self, outputs: Sequence[Tensor]) -> Tensor | None:
        """Return the first output that has numbers for each sample only."""
        return next((one for one in outputs if one.ndim == 2 and len(one) == len(self.rows)), None)


def find_tokens(arguments: Any, embedded: Sequence[Tensor], rows: int | None) -> Tokens | None:
    """Return the argument that the model looks up in an embedding; None where there is none.

    Args:
        arguments: of the model.
        embedded: what was looked up.
        rows: samples of the batch, as its loader says; None where that is not known.
    """
    for one in tensors_in(arguments):
        whole = not one.is_floating_point() and one.dtype is not torch.bool and one.ndim == 2
        if (
            whole
            and min(one.shape) >= 1
            and any(one.shape == each.shape and torch.equal(one, each) for each in embedded)
        ):
            first = not (rows is not None and one.shape[1] == rows != one.shape[0])
            found = Tokens(one, first)
            return found if found.rows.shape[1] >= _FEWEST and len(one.unique()) > 2 else None
    return None


def asks_next_token(tokens: Tokens, targets: Sequence[Tensor]) -> bool:
    """Return whether a target is the tokens one position later, also where the first or the last output has none."""
    samples, positions = tokens.rows.shape
    later = tokens.rows[:, 1:]
    for target in targets:
        if target.is_floating_point():
            continue
        if target.numel() == samples * positions:
            asked = target.reshape(tokens.given.shape)
            asked = (asked if tokens.first else asked.T)[:, :-1]
        elif target.numel() == samples * (positions - 1):
            asked = target.reshape(samples, -1) if tokens.first else target.reshape(-1, samples).T
        else:
            continue
        if _are_equal(asked, later) or _are_equal(asked[:, :-1], later[:, 1:]):
            return True
    return False


def _are_equal(asked: Tensor, tokens: Tensor) -> bool:
    counts = asked >= 0
    return int(counts.sum()) >= _FEWEST and float((asked == tokens)[counts].float().mean()) >= _EQUAL


def document_starts(arguments: Any, tokens: Tokens) -> Tensor | None:
    """Return where the second document of each row begins, by positions that begin anew; None where none does."""
    for one in tensors_in(arguments):
        if one is tokens.given or one.shape != tokens.given.shape or one.is_floating_point() or one.dtype is torch.bool:
            continue
        places = one if tokens.first else one.T
        steps = places[:, 1:] - places[:, :-1]
        again = places[:, 1:] == 0
        if bool((places[:, 0] == 0).all()) and bool(((steps == 1) | again).all()) and bool(again.any(1).all()):
            return 1 + again.int().argmax(1)
    return None
