"""Whether an exported model does what the trained one does: its outputs, its metric and its time."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import GuaranteeBroken, error_text
from hasten.base.records.export import Latency
from hasten.data.batch import Batch, target_of
from hasten.data.tree import flattened
from hasten.export.calls import Call
from hasten.export.formats import Function
from hasten.measurement.paired import Block, compare
from hasten.training.metrics import Quality
from hasten.training.session import Session

TOLERANCE = 1e-3
"""Largest difference of an output, as a share of the largest output, that a format with the same precision may have:
kernels of other libraries add in another order, which is some 1e-6 a layer."""


def largest_difference(function: Function, calls: Iterable[Call]) -> float:
    """Return the largest difference of any output over all calls, as a share of the largest output; inf for NaN.

    Raises:
        GuaranteeBroken: if the exported model raises an error, or its outputs have other shapes.
    """
    difference, largest = 0.0, 0.0
    for call in calls:
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
            raise GuaranteeBroken(
                f"the exported model returns tensors of shape {shapes[0]}, the trained one {shapes[1]}."
            )
        for ours, theirs in zip(call.returned, found, strict=True):
            if ours.numel():
                apart = (theirs.double() - ours.double()).abs().max().nan_to_num(nan=torch.inf)
                difference, largest = max(difference, float(apart)), max(largest, float(ours.abs().max()))
    return difference / largest if largest else difference


class _Stub(nn.Module):
    """Stands in for the model where a task calls it, and returns what the exported one returns."""

    def __init__(self, function: Function, example: Any) -> None:
        super().__init__()
        self._function, self._example = function, example

    def forward(self, *args: Any, **options: Any) -> Any:
        leaves, rebuild = flattened(self._example)
        found = iter(self._function(Call(args, options, None)))
        return rebuild([next(found) if isinstance(leaf, Tensor) else leaf for leaf in leaves])


def metric_of(run: Session, batches: Sequence[Batch], replaced: tuple[Function, Call] | None = None) -> float | None:
    """Return the task's metric over batches, of the trained model or of an exported one in its place.

    None where the metric needs more than outputs and targets.

    Args:
        run: the session of the trained model.
        batches: prepared.
        replaced: the exported model, and a call of the trained one.
    """
    quality = run.quality
    if not isinstance(quality, Quality) or not quality.compares:
        return None
    predict = run.predict
    if replaced is not None:
        function, call = replaced
        predict = partial(run.recipe.forward.predict, _Stub(function, call.output))
    with torch.no_grad():
        for batch in batches:
            quality.add(predict(batch), target_of(batch))
    return quality.value(0.0)


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
