"""Whether an exported model does what the trained one does: its outputs, its metric and its time."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hasten.base.errors import GuaranteeBroken, error_text
from hasten.base.records.export import Latency
from hasten.data.batch import Batch, target_of
from hasten.data.tree import flattened
from hasten.export.calls import Call, calls_of
from hasten.export.formats import Function
from hasten.measurement.paired import Block, compare
from hasten.training.metrics import Quality
from hasten.training.session import Session
from hasten.training.task import quality_of

TOLERANCE = 1e-3
"""Largest difference of an output, as a share of the largest output, that a format with the same precision may have:
kernels of other libraries add in another order, which is some 1e-6 a layer."""


class Judged(NamedTuple):
    """Both models on the same batches.

    Args:
        difference: the largest of any output, as a share of the largest output; inf for NaN.
        trained, exported: the task's metric with each; None where it needs more than outputs and targets.
    """

    difference: float
    trained: float | None
    exported: float | None


@torch.no_grad()
def judged(run: Session, function: Function, batches: Iterable[Batch]) -> Judged:
    """Run the trained and the exported model once on each batch.

    Raises:
        GuaranteeBroken: if the exported model raises an error, or its outputs have other shapes.
    """
    difference, largest = 0.0, 0.0
    sides = (quality_of(run.recipe.task), quality_of(run.recipe.task))
    for batch in batches:
        (call,) = calls_of(run, [batch])
        found = _returned(function, call)
        for ours, theirs in zip(call.returned, found, strict=True):
            if ours.numel():
                apart = (theirs.double() - ours.double()).abs().max().nan_to_num(nan=torch.inf)
                difference, largest = max(difference, float(apart)), max(largest, float(ours.abs().max()))
        for quality, outputs in zip(sides, (call.returned, found), strict=True):
            if isinstance(quality, Quality) and quality.compares:
                output = run.recipe.forward.predict(_Stub(outputs, call.output), batch)
                quality.add(output, target_of(batch))
    share = difference / largest if largest else difference
    return Judged(share, *(one.value(0.0) if isinstance(one, Quality) and one.compares else None for one in sides))


def _returned(function: Function, call: Call) -> list[Tensor]:
    """Return what the exported model returns for a call."""
    try:
        found = function(call)
    except Exception as error:
        shapes = ", ".join(str(tuple(one.shape)) for one in call.given)
        raise GuaranteeBroken(
            f"the exported model fails where the trained one does not, on inputs of shape {shapes}: "
            f"{error_text(error)}. No file is written. Does the model choose its way by the size of the batch?"
        ) from error
    if [one.shape for one in found] != [one.shape for one in call.returned]:
        shapes = [[tuple(one.shape) for one in outputs] for outputs in (found, call.returned)]
        raise GuaranteeBroken(f"the exported model returns tensors of shape {shapes[0]}, the trained one {shapes[1]}.")
    return found


class _Stub(nn.Module):
    """Stands in for the model where a task calls it, and returns given tensors in the form of what that returns."""

    def __init__(self, outputs: Sequence[Tensor], form: Any) -> None:
        super().__init__()
        self._outputs, self._form = outputs, form

    def forward(self, *args: Any, **options: Any) -> Any:
        leaves, rebuild = flattened(self._form)
        found = iter(self._outputs)
        return rebuild([next(found) if isinstance(leaf, Tensor) else leaf for leaf in leaves])


def latency(model: nn.Module, function: Function, call: Call, *, budget_s: float) -> Latency:
    """Time one call of the trained and of the exported model in turn, without gradients."""
    plain = _repeated(lambda: model(*call.args, **call.options))
    exported = _repeated(lambda: function(call))
    return Latency(batch_size=len(call.given[0]), comparison=compare(plain, exported, budget_s=budget_s))


def _repeated(call: Any) -> Block:
    def block(times: int) -> None:
        with torch.no_grad():
            for _ in range(times):
                call()

    return block
