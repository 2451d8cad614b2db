"""Where the rows of a batch of tokens are padded."""

from collections.abc import Sequence

from torch import Tensor


def padding_of(rows: Tensor) -> tuple[Tensor, int] | None:
    """Return which tokens are padding, and its number; None where none is seen.

    Padding is one number that ends (or begins) a quarter of the rows or more, over different lengths, and is nowhere
    else.
    """
    for flipped in (False, True):
        view = rows.flip(1) if flipped else rows
        pad = int(view[:, -1].mode().values)
        is_pad = view == pad
        tail = ends_of(is_pad)
        lengths = tail.sum(1)
        enough = int((lengths >= 2).sum()) >= max(2, len(rows) // 4)
        if enough and len(lengths.unique()) > 1 and bool((is_pad == tail).all()) and int(lengths.max()) < rows.shape[1]:
            return (tail.flip(1) if flipped else tail), pad
    return None


def padding_by(rows: Tensor, beside: Sequence[Tensor]) -> Tensor | None:
    """Return which tokens are padding by a mask; None where no mask says it.

    A mask has a number for each token, one of two, of which one ends (or begins) the rows, over different lengths. All
    tokens there are the same one, and the others are not.
    """
    for mask in beside:
        if mask.shape != rows.shape or len(mask.unique()) != 2:
            continue
        for marked in (mask == mask.max(), mask == mask.min()):
            lengths = marked.sum(1)
            at_end = (marked == ends_of(marked)).all() or (marked.flip(1) == ends_of(marked.flip(1))).all()
            inside = rows[marked.to(rows.device)].unique()
            if bool(at_end) and len(lengths.unique()) > 1 and len(inside) == 1 and bool((rows != inside).any()):
                return marked.to(rows.device)
    return None


def ends_of(marked: Tensor) -> Tensor:
    """Return which places (rows, places) are marked, and all behind them in their row."""
    return marked.flip(1).cummin(1).values.flip(1)
