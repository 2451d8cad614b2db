"""Share of padding in the batches."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from hasten.base.records.signals import Operator
from hasten.data.batch import Batch, inputs_of
from hasten.data.tree import leaves_of

_SHORTEST = 4
_PACKING = ("aten._pack_padded_sequence", "aten._nested_")
_RUN = 2  # one token at the end may be anything; two alike are padding


def padding_share(batches: Iterable[Batch]) -> float | None:
    """Return the share of tokens that only fill up sequences, or None if there are no sequences of tokens.

    Sequences of tokens are the integer inputs of two dimensions. Padding is what repeats the most frequent last token
    at a sequence's end. A sequence of one value alone, as in a mask of ones, is not padding.
    """
    padded = tokens = 0
    for batch in batches:
        for column in (leaf for part in inputs_of(batch) for _, leaf in leaves_of(part)):
            if isinstance(column, Tensor) and column.ndim == 2 and column.shape[1] >= _SHORTEST and _is_integer(column):
                varied = column[(column != column[:, :1]).any(1)]
                if len(varied):
                    padded += _padding(varied)
                    tokens += column.numel()
    return padded / tokens if tokens else None


def packs(operators: Sequence[Operator]) -> bool:
    """Return whether a model takes the padding out again: it packs its sequences, or nests them."""
    return any(one.name.startswith(_PACKING) for one in operators)


def _is_integer(column: Tensor) -> bool:
    return not column.is_floating_point() and not column.is_complex() and column.dtype is not torch.bool


def _padding(sequences: Tensor) -> int:
    filler = sequences[:, -1].mode().values
    # the trailing run is as long as the sequence is equal to the filler, counted from its end
    runs = (sequences.flip(1) == filler).to(torch.int64).cumprod(1).sum(1)
    return int(runs[runs >= _RUN].sum())
