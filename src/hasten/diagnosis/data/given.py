"""What calls of models and batches hold: inputs, targets, labels."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch import TARGETS, has_target, target_of
from hasten.data.tree import tensors_within
from hasten.diagnosis.data.criteria import OVER_CLASSES
from hasten.diagnosis.data.samples import is_same, of_samples
from hasten.diagnosis.watching.events import Call
from hasten.diagnosis.watching.loss_graph import Term


def given_to(call: Call) -> list[Tensor]:
    """Return the inputs of a call, less what its name calls a target: the model computes its loss itself."""
    named = {name: one for name, one in call.kwargs.items() if name not in TARGETS}
    return of_samples([one for one in tensors_within((call.args, named)) if not _is_mask(one)])


def rows_given(call: Call) -> int:
    """Return how many samples a model is given."""
    return max(map(len, given_to(call)), default=0)


def was_given(given: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Return whether the model got the inputs of this batch: a loader may be one batch ahead."""
    for one in given:
        for other in inputs:
            if one is other or (one.shape == other.shape and torch.equal(one.cpu(), other.cpu().to(one.dtype))):
                return True
    return False


def differs_beside(call: Call, numbers: Tensor, target: Tensor | None) -> bool:
    """Return whether a call has another tensor of several numbers that is not the target: it may be what tells."""
    named = {name: one for name, one in call.kwargs.items() if name not in TARGETS}
    others = [one for one in dense_within((call.args, named)) if one.numel() > 1 and not is_same(one, numbers)]
    others = [one for one in others if target is None or not is_same(one, target)]
    return any(bool((one != one.flatten()[0]).any()) for one in others)


def elements_in(inputs: Sequence[Tensor]) -> int:
    """Return how many numbers a sample has."""
    return sum(one[0].numel() for one in inputs if len(one))


def numbers_in(given: Sequence[Tensor]) -> Tensor | None:
    """Return the first input that holds numbers, not tokens."""
    return next((one for one in given if one.is_floating_point() and one.ndim > 1), None)


def dense_within(value: Any) -> list[Tensor]:
    """Return the tensors within that are not sparse."""
    return [one for one in tensors_within(value) if one.layout is torch.strided]


def target_in(batch: Any) -> Tensor | None:
    """Return the target of a batch where it is a tensor."""
    with suppress(BadInput):
        target = target_of(batch) if has_target(batch) else None
        return target.detach() if isinstance(target, Tensor) and not target.is_complex() else None
    return None


def labels_in(batch: Any, samples: int) -> Tensor | None:
    """Return the class of each sample; None where the target is not one whole number, or 0.0 or 1.0, per sample."""
    target = target_in(batch)
    if target is None or target.numel() != samples:
        return None
    flat = target.reshape(-1).cpu()
    if flat.is_floating_point() and not bool(((flat == 0) | (flat == 1)).all()):
        return None
    return flat.long()


def labels_of(term: Term) -> Tensor | None:
    """Return the class numbers that a criterion gets, one for each sample."""
    target = term.target if term.kind in OVER_CLASSES else None
    return target if target is not None and target.ndim == 1 and not target.is_floating_point() else None


def _is_mask(one: Tensor) -> bool:
    """Return whether a tensor is what attention adds to its logits: 0 where it may look, else minus infinity."""
    return one.is_floating_point() and bool(torch.isneginf(one).any()) and not bool((one.isfinite() & (one != 0)).any())
