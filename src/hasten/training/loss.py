"""The loss as a sum and a count, so that the parts of a batch add up to the whole."""

import functools
import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.errors import BadInput, unknown_name
from hasten.data.batch import Batch, target_of, tensors_of
from hasten.training.counting import SAMPLES, Count, Counting
from hasten.training.output import compared, is_of_torch

_NO_LABEL = torch.iinfo(torch.int64).min


class Loss:
    """The loss of some samples.

    Args:
        sum: scalar tensor, the sum of the terms; None where only the mean was computed.
        count: what the mean divides by: the number of terms, or the sum of their weights. 0 where no term counts.
        mean: scalar tensor, where the mean was computed as such: a step on a whole batch starts from it, since
            sum / count rounds differently.
        parts: named terms of the mean, each a detached scalar, which are recorded one by one.
    """

    __slots__ = ("_sum", "count", "mean", "parts")

    def __init__(
        self,
        sum: Tensor | None,  # noqa: A002  (what it is)
        count: Count,
        mean: Tensor | None = None,
        parts: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._sum, self.count, self.mean, self.parts = sum, count, mean, parts

    @classmethod
    def of_mean(cls, mean: Tensor, count: Count, parts: Mapping[str, Tensor] | None = None) -> "Loss":
        """Return the loss of a mean over `count` terms."""
        return cls(None, count, mean, parts)

    @property
    def sum(self) -> Tensor:
        """The sum of the terms: of a mean, computed when it is asked for, since a step on a whole batch needs none."""
        if self._sum is not None:
            return self._sum
        assert self.mean is not None, "a loss has a sum or a mean"
        return self.mean * self.count

    def average(self) -> Tensor:
        """Return the mean; NaN where no term counts."""
        return self.sum / self.count if self.mean is None else self.mean

    def without_terms(self) -> "Loss":
        """Return a loss of the same kind in which no term counts: that of a batch that is left out."""
        if self.mean is not None:
            return Loss.of_mean(torch.zeros_like(self.mean), 0)
        return Loss(torch.zeros_like(self.sum), 0)

    @classmethod
    def of_nothing(cls, device: str) -> "Loss":
        """Return the loss of no batch: read beside losses of any data type, with a mean or without, it changes none."""
        nothing = torch.zeros((), dtype=torch.bool, device=device)
        return cls(nothing, 0, nothing)

    def detached(self) -> "Loss":
        """Return the loss without its graph."""
        mean = None if self.mean is None else self.mean.detach()
        return Loss(None if self._sum is None else self._sum.detach(), self.count, mean, self.parts)


@runtime_checkable
class LossFunction(Protocol):
    """Output and batch in, `Loss` out; `count` is known without the output, before the first backward pass.

    A loss that knows its count only afterwards returns None from `count`.

    A loss that ignores a label names it in an attribute `ignore_index`; metrics over classes then ignore it, too.
    """

    def __call__(self, output: Tensor, batch: Batch) -> Loss:
        """Return the loss of the batch (`hasten.data.batch` says what its target is)."""
        ...

    def count(self, batch: Batch) -> Count | None:
        """Return what the mean over this batch divides by."""
        ...


MeanLoss: TypeAlias = Callable[[Any, Any], Tensor]
"""(output, target) -> scalar mean over the samples: how people write a loss."""


def class_dimension(output: Tensor, target: Tensor, class_dim: int | None = None) -> int:
    """Return which dimension of the output holds the class scores.

    Args:
        output: (batch, classes), (batch, ..., classes) or torch's (batch, classes, ...).
        target: labels (batch, ...), or class probabilities of the shape of the output.
        class_dim: 1 or -1 if known; None to infer it from the shapes.

    Raises:
        BadInput: if the shapes fit both layouts.
    """
    if output.ndim <= 2:
        return output.ndim - 1
    if class_dim is not None:
        return class_dim % output.ndim
    if target.shape == output.shape and target.is_floating_point():
        return 1  # as F.cross_entropy takes class probabilities
    last = output.shape[:-1] == target.shape
    if last and (output.shape[0], *output.shape[2:]) == tuple(target.shape):
        raise BadInput(
            f"ambiguous class dimension: output {tuple(output.shape)} with labels {tuple(target.shape)} can be "
            "(batch, classes, ...), as torch has it, or (batch, ..., classes). "
            "Pass loss=hasten.CrossEntropy(class_dim=1) or hasten.CrossEntropy(class_dim=-1)."
        )
    return output.ndim - 1 if last else 1


@dataclass(frozen=True)
class ClassLoss(ABC):
    """A loss of class scores against labels, with a mean as torch defines it: over the labels that are not ignored.

    With class weights the mean divides by the sum of the weights of the labels (`torch.nn.CrossEntropyLoss`).

    Args:
        ignore_index: label that contributes nothing (padding). None: every label counts, and a negative one is an
            error; then no step reads the labels to count them.
        weight: weight of each class, (classes,); a sequence or a tensor.
        class_dim: dimension of the classes in the output, 1 (torch) or -1; None to infer it from the shapes.
    """

    ignore_index: int | None = -100
    weight: tuple[float, ...] | None = None
    class_dim: int | None = None

    def __post_init__(self) -> None:
        if self.class_dim not in (None, 1, -1):
            raise BadInput(f"class_dim must be 1, -1 or None; found {self.class_dim}.")
        if self.weight is not None:
            object.__setattr__(self, "weight", _plain_weights(self.weight))

    def __call__(self, output: Any, batch: Batch) -> Loss:
        scores, target, count = compared(output), target_of(batch), self.count(batch)
        if self._rounds_as_mean(target) and count:
            return Loss.of_mean(self._reduced(scores, target, "mean"), count)
        return Loss(self._reduced(scores, target, "sum"), count)

    def terms(self, output: Any, batch: Batch) -> Tensor:
        """Return the loss of each label, class weight included: (batch, ...), 0 where ignored."""
        output, target = compared(output), target_of(batch)
        shape = target.shape if not target.is_floating_point() else (len(target), -1)
        return self._reduced(output, target, "none").reshape(shape)

    def count(self, batch: Batch) -> Count:
        """Return the number of labels that are not ignored, or the sum of their class weights."""
        target = target_of(batch)
        if target.is_floating_point():  # class probabilities: torch divides by their number, whatever the weights
            return target.numel() // target.shape[(self.class_dim or 1) if target.ndim > 2 else -1]
        if self.weight is not None:
            kept = target != self.ignored
            weight = _on_device(self.weight, torch.float32, target.device)
            return (weight[target.where(kept, 0)] * kept).sum()
        if self.ignore_index is None:
            return target.numel()
        if not target.is_cpu or torch.compiler.is_compiling():
            return (target != self.ignore_index).sum()
        # Most batches have no negative label, and finding the smallest takes half the time of counting.
        if self.ignore_index < 0 and target.numel() and int(target.min()) >= 0:
            return target.numel()
        return int((target != self.ignore_index).sum())

    @property
    def ignored(self) -> int:
        """Return the label to ignore as torch takes it: one that no data have, where none is."""
        return _NO_LABEL if self.ignore_index is None else self.ignore_index

    def _rounds_as_mean(self, target: Tensor) -> bool:
        """Return whether torch's mean has other bits than its sum divided by the count; asked on the host only."""
        return target.is_cpu and not torch.compiler.is_compiling() and self.weight is not None

    def _reduced(self, output: Tensor, target: Tensor, reduction: str) -> Tensor:
        dim = class_dimension(output, target, self.class_dim)
        if output.ndim > 2 and dim == output.ndim - 1:
            output, target = output.flatten(0, -2), target.flatten(0, output.ndim - 2)
        weight = None
        if self.weight is not None:
            output = output.to(torch.promote_types(output.dtype, torch.float32))  # weights are not rounded to bfloat16
            weight = _on_device(self.weight, output.dtype, output.device)
        return self._torch_loss(output, target, weight, reduction)

    @abstractmethod
    def _torch_loss(self, output: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor: ...


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """Cross-entropy of class scores (logits), as `torch.nn.functional.cross_entropy` computes it.

    The target is int64 labels, or float class probabilities of the shape of the scores.

    Args:
        label_smoothing: share of each target that is spread evenly over all classes, from 0 to 1.
    """

    label_smoothing: float = 0.0

    def _rounds_as_mean(self, target: Tensor) -> bool:
        several_terms = bool(self.label_smoothing) or self.weight is not None or target.is_floating_point()
        return several_terms and target.is_cpu and not torch.compiler.is_compiling()

    def _torch_loss(self, output: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        smoothing = self.label_smoothing
        ignored = -100 if target.is_floating_point() else self.ignored
        return F.cross_entropy(
            output, target, weight, reduction=reduction, ignore_index=ignored, label_smoothing=smoothing
        )


@dataclass(frozen=True)
class NegativeLogLikelihood(ClassLoss):
    """Negative log-likelihood of log-probabilities, as `torch.nn.functional.nll_loss` computes it."""

    def _torch_loss(self, output: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        return F.nll_loss(output, target, weight, reduction=reduction, ignore_index=self.ignored)


@dataclass(frozen=True)
class SquaredError:
    """Squared difference of output and target, which must have one shape; one term per number."""

    def __call__(self, output: Any, batch: Batch) -> Loss:
        output, target = compared(output), target_of(batch)
        if output.shape != target.shape:
            raise BadInput(
                f"mse needs output and target of one shape; found {tuple(output.shape)} from the model and "
                f"{tuple(target.shape)} in the data. Broadcasting would compare each output with other samples' "
                "targets: reshape one of them."
            )
        return Loss(None, target.numel(), F.mse_loss(output, target))

    def count(self, batch: Batch) -> int:
        """Return the number of target values."""
        return target_of(batch).numel()


@dataclass(frozen=True)
class OfMean:
    """Any `(output, target) -> mean` as a `LossFunction`.

    Args:
        mean: a function of one's own takes what the model returned; one of torch's takes its scores (`compared`).
        counting: what the mean is taken over, as `hasten.training.additivity` finds it; None: nobody looked, and it is
            taken for the samples.
    """

    mean: MeanLoss
    counting: Counting | None = None

    def __call__(self, output: Any, batch: Batch) -> Loss:
        return Loss.of_mean(self.returned(output, batch), self._count(batch))

    def returned(self, output: Any, batch: Batch) -> Tensor:
        """Return what the function itself returns."""
        if isinstance(self.mean, nn.Module):
            _follow(self.mean, batch)
        return self.mean(compared(output) if is_of_torch(self.mean) else output, target_of(batch))

    def count(self, batch: Batch) -> Count | None:
        """Return what the mean is taken over: the number of samples, or of labels that count."""
        return self._count(batch)

    def _count(self, batch: Batch) -> Count:
        count = (self.counting or SAMPLES).of(batch)
        assert count is not None, "a function of (output, target) returns no count"
        return count


def with_counting(loss: LossFunction, counting: Counting) -> LossFunction:
    """Return a loss of unknown divisor with what was found about it; another loss as it is."""
    return replace(loss, counting=counting) if isinstance(loss, OfMean | OfReturned) else loss


@dataclass(frozen=True)
class OfReturned:
    """The loss among what the model or an objective returned, as a `LossFunction`.

    Args:
        read: return the mean, (mean, count), a mapping of named terms whose sum is the mean, or a `Loss`.
        counting: see `OfMean`.
    """

    read: Callable[[Any], Any]
    counting: Counting | None = None

    def __call__(self, output: Any, batch: Batch) -> Loss:
        return loss_returned(self.read(output), lambda: self._count(batch))

    def count(self, batch: Batch) -> Count | None:
        """Return what the mean is taken over, None if only the objective says it."""
        return (self.counting or SAMPLES).of(batch)

    def _count(self, batch: Batch) -> Count:
        count = (self.counting or SAMPLES).of(batch)
        if count is None:
            raise BadInput(
                "an objective must return the same form in every step; found a loss without a count, after "
                "one with a count at the start."
            )
        return count


def loss_returned(found: Any, count: Callable[[], Count]) -> Loss:
    """Return what a person's own function returned as a `Loss`.

    Args:
        found: the mean, a mapping of named terms whose sum is the mean, either with its count in a tuple, or a `Loss`.
        count: return what the mean divides by, where that is not said.
    """
    if isinstance(found, Loss):
        return found
    mean, own = cast(tuple[Any, Any], found) if isinstance(found, tuple) else (found, None)
    parts: dict[str, Tensor] | None = None
    if isinstance(mean, Mapping):
        terms = cast(Mapping[str, Tensor], mean)
        mean = functools.reduce(operator.add, terms.values())
        parts = {name: term.detach() for name, term in terms.items()}
    return Loss.of_mean(mean, count() if own is None else own, parts)


def _follow(module: nn.Module, batch: Batch) -> None:
    """Move a loss module's tensors to where the batch is, if they are not there."""
    held = next(itertools.chain(module.buffers(), module.parameters()), None)
    device = next(tensors_of(batch)).device
    if held is not None and held.device != device:
        module.to(device)


LOSSES: dict[str, LossFunction] = {"cross_entropy": CrossEntropy(), "mse": SquaredError()}

_TORCH_LOSSES: tuple[tuple[Any, type[ClassLoss]], ...] = (
    (F.cross_entropy, CrossEntropy),
    (F.nll_loss, NegativeLogLikelihood),
    (nn.CrossEntropyLoss, CrossEntropy),
    (nn.NLLLoss, NegativeLogLikelihood),
)


def loss_function(loss: "str | LossFunction | MeanLoss") -> LossFunction:
    """Return the loss of that name, or a callable made into one.

    torch's cross-entropy and negative log-likelihood (module, function, or a partial of the function) become the
    `ClassLoss` that computes the same, since their mean is not one over samples: it leaves out ignored labels and
    divides by class weights.

    Raises:
        BadInput: if the name is unknown.
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise unknown_name("loss", loss, LOSSES)
        return LOSSES[loss]
    if isinstance(loss, LossFunction):
        return loss
    if not callable(loss):
        raise BadInput(
            f'Task.loss must be {", ".join(map(repr, LOSSES))}, "model", or a function (output, target) -> mean over '
            f"the samples; found {loss!r}."
        )
    return _from_torch(loss) or OfMean(loss)


def joined(losses: Sequence[Loss], count: Count) -> Loss:
    """Return the detached losses of the parts of a batch as that of the whole, whose mean divides by `count`."""
    parts: dict[str, Tensor] = {}
    for loss in losses:
        for name, term in (loss.parts or {}).items():
            share = term * (loss.count / count)
            parts[name] = parts[name] + share if name in parts else share
    return Loss(functools.reduce(operator.add, (loss.sum for loss in losses)), count, parts=parts or None)


def read(losses: Sequence[Loss]) -> tuple[list[float], list[float], list[float]]:
    """Return the sums, the counts and the means of several losses as numbers; waits for the device.

    All at once, so that no step pays for its own. Sum and mean are 0 where no term counts.
    """
    counts = _numbers([loss.count for loss in losses])
    computed = [loss.mean for loss in losses if loss.mean is not None]
    if len(computed) == len(losses):
        means = [mean if count else 0.0 for mean, count in zip(as_numbers(computed), counts, strict=True)]
        return [mean * count for mean, count in zip(means, counts, strict=True)], counts, means
    stacked = torch.stack([loss.sum for loss in losses])
    sums = stacked.double()
    quotients = (sums / sums.new_tensor(counts)).to(stacked.dtype).tolist()  # rounded as the mean of a step is
    return sums.tolist(), counts, [mean if count else 0.0 for mean, count in zip(quotients, counts, strict=True)]


def _numbers(counts: Sequence[Count]) -> list[float]:
    """Return counts as numbers; whether they are is asked of all at once, as one call a step is too many."""
    if set(map(type, counts)) <= {int, float}:
        return list(map(float, counts))
    return torch.stack([torch.as_tensor(count, dtype=torch.float64) for count in counts]).tolist()


def as_numbers(values: Sequence[Tensor]) -> list[float]:
    """Return scalar tensors as numbers; waits for the device once."""
    return torch.stack(list(values)).double().tolist()


def _from_torch(loss: MeanLoss) -> ClassLoss | None:
    """Return the equivalent of one of torch's class losses with a mean; None for every other function."""
    source: Any = loss
    options: dict[str, Any] = {}
    if isinstance(loss, functools.partial):
        source, options = (None, {}) if loss.args else (loss.func, dict(loss.keywords))
    elif isinstance(loss, nn.Module):
        source = type(loss)
    kind = next((kind for known, kind in _TORCH_LOSSES if known is source), None)
    if kind is None:
        return None
    names = {"ignore_index", "weight", *(("label_smoothing",) if kind is CrossEntropy else ())}
    if isinstance(loss, nn.Module):
        options = {name: getattr(loss, name) for name in (*names, "reduction")}
    if options.pop("reduction", "mean") != "mean" or not options.keys() <= names:
        return None
    return kind(class_dim=1, **options)


def _plain_weights(weight: Sequence[float] | Tensor) -> tuple[float, ...]:
    values = weight.tolist() if isinstance(weight, Tensor) else list(weight)
    if not values or any(isinstance(value, list) or not value >= 0 for value in values):
        raise BadInput(f"class weights must be one number of at least 0 per class, (classes,); found {weight}.")
    return tuple(map(float, values))


@functools.lru_cache(maxsize=16)
def _on_device(weight: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(weight, dtype=dtype, device=device)
