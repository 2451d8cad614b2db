"""Whether the loss of a batch is the weighted mean of the losses of its parts, and weighted by what.

Only then may a batch be split into micro-batches, and does the mean validation loss not depend on the batch size. A
contrastive loss over the batch, or a mean over masked positions that is taken per batch, is not additive.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from hasten.base.errors import BadInput
from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import (
    Batch,
    has_target,
    select,
    size_of,
    target_of,
    unsplittable,
    with_target,
)
from hasten.data.tree import mapped
from hasten.training.counting import (
    A_SUM,
    IGNORED,
    RETURNED,
    SAMPLES,
    Counting,
    candidates,
    mask_of,
)
from hasten.training.loss import LossFunction, OfMean, OfReturned

EXACTLY = 3e-5
"""Relative difference that still counts as rounding where several divisors are told apart."""
_MOVED = 0.1
_BROKEN = "the loss of a batch is not the mean of the losses of its parts, whatever they are weighted by"
_DRAWS = "the loss draws random numbers, and the parts of a batch would draw others"


def has_samples(output: Any, size: int) -> bool:
    """Return whether every tensor of an output has one row per sample."""
    leaves = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    return bool(leaves) and all(leaf.ndim > 0 and len(leaf) == size for leaf in leaves)


def rows_of(value: Any, rows: slice | Tensor) -> Any:
    """Return some samples of an output or a batch: the same structure with the rows of each tensor."""
    return tree_map(lambda leaf: leaf[rows] if isinstance(leaf, Tensor) and leaf.ndim else leaf, value)


Mean = Callable[[Batch], tuple[float, float | None]]
"""A batch in -> the mean of its loss, and the count if the loss itself says it."""


def find_counting(
    loss: LossFunction, predict: Callable[[nn.Module, Batch], Any], model: nn.Module, batch: Batch
) -> Counting:
    """Return what the mean of a loss of one's own is taken over: that by which the parts of a batch add up.

    The mean of the whole batch is compared with those of its halves and its single samples, also after some labels
    are set to -100 and some places of the mask to 0. The first of `counting.candidates` by which all of them add up is
    it. Where none does, or the batch cannot be split, the result says why in `broken` and counts samples.

    Args:
        loss: of the task; a loss that says its count itself is none of one's own.
        predict: of the recipe.
        model: a fresh one, on the CPU. Its parameters are moved, so that an output of zeros hides nothing.
        batch: several samples, as the model takes them.
    """
    if not isinstance(loss, OfMean | OfReturned):
        return SAMPLES
    if (reason := unsplittable(batch)) is not None:
        return _broken(batch, reason)
    if size_of(batch) < 2:
        return SAMPLES
    with preserved(), torch.no_grad():
        _move(model)
        model.eval()
        try:
            if isinstance(loss, OfMean):
                output = predict(model, batch)
                if not has_samples(output, size_of(batch)):
                    return SAMPLES
                batch = (output, target_of(batch))
                return _found(batch, lambda part: _of_pair(loss, part))
            return _found(batch, lambda part: _of_returned(loss, predict(model, part)))
        except Exception as error:  # noqa: BLE001  (the task is the person's: anything may be raised)
            return _broken(batch, _failed(error))


def _found(batch: Batch, mean: Mean) -> Counting:
    value, count = mean(batch)
    if count is not None:
        return RETURNED
    if value != mean(batch)[0]:
        return _broken(batch, _DRAWS)
    fitting: list[Counting] | None = None
    for variant in _variants(batch):
        try:
            parts = _means_of_parts(variant, mean)
        except Exception as error:  # noqa: BLE001  (the loss is the person's: anything may be raised)
            if variant is batch:
                return _broken(batch, _failed(error))
            continue
        whole = mean(variant)[0]
        fitting = [
            one
            for one in (candidates(variant) if fitting is None else fitting)
            if all(_adds_up(one, variant, whole, some) for some in parts)
        ]
    return fitting[0] if fitting else _broken(batch, _BROKEN)


def _failed(error: Exception) -> str:
    return f"the loss of a part of a batch failed with {type(error).__name__}: {error}"


def _means_of_parts(batch: Batch, mean: Mean) -> list[list[tuple[Batch, float]]]:
    """Return the parts of a batch with their means: its halves, and its single samples."""
    size, found = size_of(batch), list[list[tuple[Batch, float]]]()
    for length in {1, -(-size // 2)}:
        parts = [select(batch, slice(start, start + length)) for start in range(0, size, length)]
        found.append([(part, mean(part)[0]) for part in parts])
    return found


def _adds_up(counting: Counting, batch: Batch, whole: float, parts: list[tuple[Batch, float]]) -> bool:
    counts = [float(counting.of(part) or 0) for part, _ in parts]
    total = float(counting.of(batch) or 0)
    summed = sum(count * mean for count, (_, mean) in zip(counts, parts, strict=True) if count)
    if counting.weighted and (not total or abs(sum(counts) - total) > EXACTLY * total):
        return False
    scale = max(abs(whole), max(abs(mean) for count, (_, mean) in zip(counts, parts, strict=True) if count), 1e-6)
    return abs(summed / total - whole) <= EXACTLY * scale


def _variants(batch: Batch) -> Iterator[Batch]:
    """Yield the batch, and the same with some labels ignored, and with some tokens masked."""
    yield batch
    size = size_of(batch)
    target = target_of(batch) if has_target(batch) else None
    if isinstance(target, Tensor) and target.dtype in (torch.int64, torch.int32) and target.ndim:
        yield with_target(batch, _emptied(target, size, IGNORED))
    mask = mask_of(batch)
    if mask is not None and mask.ndim == 2:
        changed = _emptied(mask, size, 0)
        yield mapped(batch, lambda tensor: changed if tensor is mask else tensor)


def _emptied(values: Tensor, size: int, value: int) -> Tensor:
    """Return the values with the second half of the first row set, and the whole of the last one but its first place.

    Of one number per sample, the last is set.
    """
    changed = values.clone()
    if values.ndim == 1:
        changed[-1] = value
        return changed
    length = values.shape[1]
    changed[0, length // 2 + 1 :] = value
    changed[size - 1, 2:] = value
    return changed


def _of_pair(loss: OfMean, pair: Batch) -> tuple[float, float | None]:
    return float(replace(loss, counting=SAMPLES)(pair[0], pair).average()), None


def _of_returned(loss: OfReturned, output: Any) -> tuple[float, float | None]:
    found = loss.read(output)
    says_count = isinstance(found, tuple) or hasattr(found, "count")
    made = replace(loss, counting=A_SUM)(output, None)
    return float(made.average()), float(made.count) if says_count else None


def _broken(batch: Batch, reason: str) -> Counting:
    """Return the samples as the count of what cannot be split, or one where nothing tells their number."""
    try:
        size_of(batch)
    except BadInput:
        return Counting("the batch as a whole", lambda batch: 1, broken=reason)
    return replace(SAMPLES, broken=reason)


def _move(model: nn.Module) -> None:
    """Add noise to every parameter."""
    seed_all(0)
    for parameter in model.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            size = parameter.abs().square().mean().sqrt()
            parameter.add_((_MOVED * size + _MOVED / 10) * torch.randn_like(parameter))
