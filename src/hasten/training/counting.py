"""What a mean over a batch divides by: the terms that a loss counts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from hasten.data.batch import Batch, has_target, size_of, target_of
from hasten.data.tree import names_of

Count: TypeAlias = float | Tensor
"""What a mean divides by. A scalar tensor where only the device knows it, so that nothing waits for an accelerator."""


def any_counts(count: Count) -> bool:
    """Return whether any term counts, as far as that is known without waiting for an accelerator; there it may."""
    if isinstance(count, Tensor):
        return not count.is_cpu or bool(count)
    return count != 0


IGNORED = -100
"""The label that torch and transformers leave out."""
MASKS = ("attention_mask", "mask")


@dataclass(frozen=True)
class Counting:
    """What a mean was taken over.

    Args:
        over: in words, "samples".
        of: count it in a batch; None where only the loss itself says it, after the forward pass.
        broken: why the parts of a batch do not add up to the whole; empty where they do.
        weighted: whether the loss of a part counts by this; False for a sum, to which every part adds its own.
    """

    over: str
    of: Callable[[Batch], Count | None]
    broken: str = ""
    weighted: bool = True


def labels_in(batch: Batch) -> int:
    """Return the number of labels that are not ignored."""
    return int((target_of(batch) != IGNORED).sum())


def next_labels_in(batch: Batch) -> int:
    """Return the number of labels that are not ignored but for the first place, which no earlier one predicts."""
    return int((target_of(batch)[:, 1:] != IGNORED).sum())


def tokens_in(batch: Batch) -> int:
    """Return the number of places that the batch's mask marks."""
    mask = mask_of(batch)
    assert mask is not None, "a candidate only where there is one"
    return int(mask.sum())


def numbers_in(batch: Batch) -> int:
    """Return how many numbers all tensors of the target hold."""
    return sum(leaf.numel() for leaf in tree_leaves(target_of(batch)) if isinstance(leaf, Tensor))


def mask_of(batch: Batch) -> Tensor | None:
    """Return the mask of the tokens of a mapping or record, None if it has none."""
    names = names_of(batch)
    name = next((name for name in MASKS if name in names), None)
    if name is None:
        return None
    mask = batch[name] if isinstance(batch, Mapping) else getattr(batch, name)
    return mask if isinstance(mask, Tensor) else None


SAMPLES = Counting("the samples", size_of)
LABELS = Counting("the labels that are not -100", labels_in)
NEXT_LABELS = Counting("the labels that are not -100, without the first of each row", next_labels_in)
TOKENS = Counting("the tokens of the mask", tokens_in)
NUMBERS = Counting("the numbers of the target", numbers_in)
A_SUM = Counting("nothing: it is a sum", lambda batch: 1, weighted=False)
RETURNED = Counting("the count that it returns", lambda batch: None)


def candidates(batch: Batch) -> Iterator[Counting]:
    """Yield what a mean over this batch may have been taken over, the likeliest first."""
    yield SAMPLES
    if has_target(batch):
        target = target_of(batch)
        if isinstance(target, Tensor) and not target.is_floating_point() and not target.is_complex():
            yield LABELS
            if target.ndim == 2 and target.shape[1] > 1 and target.dtype is not torch.bool:
                yield NEXT_LABELS
    if mask_of(batch) is not None:
        yield TOKENS
    if has_target(batch):
        yield NUMBERS
    yield A_SUM
