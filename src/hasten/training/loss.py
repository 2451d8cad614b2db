"""The loss as a sum and a count, so that parts of a batch add up to the whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor
from torch.nn import functional as F

from hasten.base.errors import BadInput, unknown_name
from hasten.data.batch import Batch, size_of, target_of


@dataclass(slots=True)
class Loss:
    """The summed loss of some examples (a scalar tensor) and how many terms the sum has."""

    sum: Tensor
    count: int


@runtime_checkable
class LossFunction(Protocol):
    """Output and batch in, `Loss` out; `count` is known without the output, before the first backward."""

    def __call__(self, output: Tensor, batch: Batch) -> Loss:
        """Return the summed loss of the batch, whose last tensor is the target."""
        ...

    def count(self, batch: Batch) -> int:
        """Return how many terms the sum over this batch has: what a mean would divide by."""
        ...


MeanLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(output, target) -> scalar mean over the examples: how people write a loss."""


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of class scores against int64 labels; one term per label.

    Scores may be (batch, classes) or, for sequences, (batch, ..., classes) or torch's (batch, classes, ...).

    Args:
        ignore_index: a label that counts for nothing (padding), or None.
    """

    ignore_index: int | None = None

    def __call__(self, output: Tensor, batch: Batch) -> Loss:
        target = target_of(batch)
        if output.ndim > 2 and output.shape[:-1] == target.shape:
            output, flat = output.flatten(0, -2), target.flatten()
        else:
            flat = target
        ignored = -100 if self.ignore_index is None else self.ignore_index
        return Loss(F.cross_entropy(output, flat, reduction="sum", ignore_index=ignored), self.count(batch))

    def count(self, batch: Batch) -> int:
        """Return the number of labels that are not ignored; a label may be a share of each class, (batch, classes)."""
        target = target_of(batch)
        if target.is_floating_point():
            return target.numel() // target.shape[1]
        if self.ignore_index is None:
            return target.numel()
        return int((target != self.ignore_index).sum())


@dataclass(frozen=True)
class SquaredError:
    """Squared difference of output and target, which must have one shape; one term per number."""

    def __call__(self, output: Tensor, batch: Batch) -> Loss:
        target = target_of(batch)
        if output.shape != target.shape:
            raise BadInput(
                "the squared error needs output and target of one shape; found "
                f"{tuple(output.shape)} from the model and {tuple(target.shape)} in the data. "
                "Without this check they would be broadcast against each other. Reshape one of them."
            )
        return Loss(F.mse_loss(output, target, reduction="sum"), target.numel())

    def count(self, batch: Batch) -> int:
        """Return the number of target values."""
        return target_of(batch).numel()


@dataclass(frozen=True)
class OfMean:
    """Any `(output, target) -> mean` as a `LossFunction`; one term per example."""

    mean: MeanLoss

    def __call__(self, output: Tensor, batch: Batch) -> Loss:
        count = self.count(batch)
        return Loss(self.mean(output, target_of(batch)) * count, count)

    def count(self, batch: Batch) -> int:
        """Return the number of examples."""
        return size_of(batch)


LOSSES: dict[str, LossFunction] = {"cross_entropy": CrossEntropy(), "mse": SquaredError()}


def loss_function(loss: "str | LossFunction | MeanLoss") -> LossFunction:
    """Return the loss of that name, or a callable made into one.

    Raises:
        BadInput: if the name is unknown.
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise unknown_name("loss", loss, LOSSES)
        return LOSSES[loss]
    return loss if isinstance(loss, LossFunction) else OfMean(loss)
