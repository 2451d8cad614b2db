"""Quality metrics by name through torchmetrics, torchmetrics objects, and plain functions."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torchmetrics import Metric, classification, regression, text
from torchmetrics.functional.classification import multiclass_auroc

from hasten.base.errors import BadInput, unknown_name
from hasten.base.units import as_good_as
from hasten.data.batch import size_of
from hasten.training.loss import LossFunction, class_dimension
from hasten.training.output import compared

MetricFactory: TypeAlias = Callable[[], Metric]
MetricFunction: TypeAlias = Callable[[Any, Any], float | Tensor]
"""(output, target) of one batch -> value; averaged over the samples."""


class AurocOfPresentClasses(classification.MulticlassAUROC):
    """One-vs-rest AUROC, averaged over the classes that occur; NaN where fewer than two classes do.

    torchmetrics counts a class without samples as 0 in the average.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        """Return the mean over the classes that have samples, as long as others have samples, too."""
        scores, labels = (torch.cat(state) for state in (self.preds, self.target))
        present, codes = labels.unique(return_inverse=True)
        if len(present) < 2:
            return torch.tensor(math.nan)
        return multiclass_auroc(scores[:, present], codes, len(present), average="macro", validate_args=False)


_BY_NAME: dict[str, Callable[[int], Metric]] = {
    "accuracy": lambda classes: classification.MulticlassAccuracy(classes, average="micro", validate_args=False),
    "f1": lambda classes: classification.MulticlassF1Score(classes, average="macro", validate_args=False),
    "auroc": AurocOfPresentClasses,
    "perplexity": lambda classes: text.Perplexity(),
    "mae": lambda outputs: regression.MeanAbsoluteError(),
    "mse": lambda outputs: regression.MeanSquaredError(),
    "rmse": lambda outputs: regression.MeanSquaredError(squared=False),
    "r2": lambda outputs: regression.R2Score(),
}
OVER_CLASSES = frozenset({"accuracy", "f1", "auroc", "perplexity"})
"""Metrics that compare class scores with labels; they leave out the labels that the loss ignores."""
METRICS: tuple[str, ...] = (*_BY_NAME, "loss")
"""Every name; "loss" is the validation loss and needs no metric object."""


class MeanOfBatches(Metric):
    """A plain function of output and target, averaged over the samples of all batches."""

    full_state_update = False
    total: Tensor
    samples: Tensor

    def __init__(self, function: MetricFunction) -> None:
        super().__init__()
        self.function = function
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, output: Any, target: Any) -> None:
        """Add the value of one batch, weighted by its samples."""
        size = size_of((output, target))
        self.total += torch.as_tensor(self.function(output, target), dtype=torch.float64) * size
        self.samples += size

    def compute(self) -> Tensor:
        """Return the mean over the samples."""
        return self.total / self.samples


class Direction:
    """Which of two values is the better one."""

    higher_is_better: bool

    def is_better(self, value: float, best: float) -> bool:
        """Return whether `value` beats `best`; a NaN never does, and anything else beats a NaN."""
        if math.isnan(value) or math.isnan(best):
            return not math.isnan(value)
        return value > best if self.higher_is_better else value < best

    def reaches(self, value: float, target: float | None) -> bool:
        """Return whether `value` is as good as `target`; False where there is no target."""
        return target is not None and as_good_as(value, target, higher_is_better=self.higher_is_better)


class NamedQuality(Direction):
    """One of the values that `Task.validate` returns.

    Args:
        metric: its name.
        higher_is_better: its direction; None for the names in `METRICS`, which have one.

    Raises:
        BadInput: if the metric is no name, or its direction is unknown or contradicted.
    """

    def __init__(self, metric: object, *, higher_is_better: bool | None = None) -> None:
        if not isinstance(metric, str):
            raise BadInput(
                "with Task.validate, Task.metric must be the name of one of the values that it returns; found "
                f"{_name(metric, None)}."
            )
        self.name = metric
        known = metric in METRICS
        if not known and higher_is_better is None:
            raise BadInput(
                f"the metric {metric!r} of Task.validate must say whether higher is better. "
                "Pass Task(higher_is_better=True) or Task(higher_is_better=False)."
            )
        self.higher_is_better = _direction(metric, None, higher_is_better) if known else bool(higher_is_better)

    def of(self, values: object) -> dict[str, float]:
        """Return what `Task.validate` returned as numbers.

        Raises:
            BadInput: if it is no mapping from names to numbers, or lacks the metric.
        """
        if not isinstance(values, Mapping):
            raise BadInput(f"Task.validate must return {{name: value}}; found {type(values).__name__}.")
        try:
            found = {str(name): float(value) for name, value in values.items()}
        except (TypeError, ValueError, RuntimeError) as error:
            raise BadInput(f"the values of Task.validate must be numbers; found {error}.") from error
        if self.name not in found:
            raise BadInput(
                f"Task.validate must return the metric {self.name!r}; found {', '.join(found) or 'nothing'}. "
                "Set Task.metric to one of these names."
            )
        return found


class Quality(Direction):
    """The task's metric over one evaluation: `add` every batch, then `value`.

    A named metric over classes is built at the first batch, since only the model's output tells how many there are.
    It leaves out labels that the loss ignores, and negative ones, which are no class.

    Args:
        metric: one of `METRICS`, a torchmetrics metric, a function that builds one, or a plain function
            `(output, target) -> value`.
        loss: the task's loss, whose `ignore_index` and `class_dim` hold for the metric, too.
        higher_is_better: direction of a metric that does not say it itself, as a plain function; None for the others.

    Raises:
        BadInput: if the name is unknown, the metric cannot be built, or its direction is unknown or contradicted.
    """

    def __init__(
        self,
        metric: "str | Metric | MetricFactory | MetricFunction",
        loss: LossFunction | None = None,
        *,
        higher_is_better: bool | None = None,
    ) -> None:
        if isinstance(metric, str) and metric not in METRICS:
            raise unknown_name("metric", metric, METRICS)
        self._metric = None if isinstance(metric, str) else made_metric(metric)
        self.name = metric if isinstance(metric, str) else _name(metric, self._metric)
        self._ignored: int | None = getattr(loss, "ignore_index", None)
        self._class_dim: int | None = getattr(loss, "class_dim", None)
        self.higher_is_better = _direction(self.name, self._metric, higher_is_better)

    @property
    def compares(self) -> bool:
        """Whether it looks at outputs and targets; the validation loss itself does not."""
        return self.name != "loss"

    @property
    def takes_scores(self) -> bool:
        """Whether it takes what a loss compares, and not, as a plain function, whatever the model returned."""
        return not isinstance(self._metric, MeanOfBatches)

    def add(self, output: Any, target: Any) -> None:
        """Take one batch of outputs and targets into account; a plain function gets the whole output."""
        if not self.compares:
            return
        if self.takes_scores:
            output = compared(output)
        if self.name in OVER_CLASSES:
            dim = class_dimension(output, target, self._class_dim)
            classes = output.shape[dim]
            output, target = self._labeled(output.movedim(dim, -1), target)
            if not len(target):
                return
            if self.name == "perplexity":  # takes (batch, positions, classes)
                output, target = output.unsqueeze(0), target.unsqueeze(0)
        else:
            classes = 0
        if self._metric is None:
            self._metric = _BY_NAME[self.name](classes)
        if isinstance(output, Tensor) and self._metric.device != output.device:
            self._metric = self._metric.to(output.device)
        self._metric.update(output, target)

    def value(self, valid_loss: float) -> float:
        """Return the metric over what was added, and start anew; NaN where nothing counted."""
        if not self.compares:
            return valid_loss
        if self._metric is None or not self._metric.update_called:
            return math.nan
        value = float(self._metric.compute())
        self._metric.reset()
        return value

    def _labeled(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores, (n, classes), and the labels, (n,), of what counts."""
        scores, labels = output.reshape(-1, output.shape[-1]), target.flatten()
        kept = labels >= 0
        if self._ignored is not None and self._ignored >= 0:
            kept &= labels != self._ignored
        return (scores, labels) if bool(kept.all()) else (scores[kept], labels[kept])


def made_metric(metric: Metric | MetricFactory | MetricFunction) -> Metric:
    """Return a metric object of one's own: a copy of the one given, a fresh one, or one around a plain function."""
    if isinstance(metric, Metric):
        return metric.clone()
    if not callable(metric):
        raise BadInput(
            "Task.metric must be a name, a torchmetrics metric, a function that builds one, or a function "
            f"(output, target) -> value; found {metric!r}."
        )
    if not _takes_no_argument(metric):
        return MeanOfBatches(cast(MetricFunction, metric))
    try:
        made = cast(MetricFactory, metric)()
    except Exception as error:
        raise BadInput(f"Task.metric, {_name(metric, None)}, failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, Metric):
        raise BadInput(
            "Task.metric must be a name, a torchmetrics metric, a function that builds one, or a function "
            f"(output, target) -> value; {_name(metric, None)}() returned {type(made).__name__}."
        )
    return made


def _direction(name: str, metric: Metric | None, given: bool | None) -> bool:
    """Return whether a higher value of the metric is better."""
    if metric is None:
        own = False if name == "loss" else bool(_BY_NAME[name](2).higher_is_better)
    else:
        own = metric.higher_is_better
    if own is None and given is None:
        raise BadInput(
            f"the metric {name} must say whether higher is better. "
            "Pass Task(higher_is_better=True) or Task(higher_is_better=False)."
        )
    if own is not None and given is not None and own != given:
        raise BadInput(f"higher_is_better={given} contradicts the metric {name}, which says {own}. Leave it out.")
    return bool(given if own is None else own)


def _takes_no_argument(function: Callable[..., Any]) -> bool:
    """Return whether a call without arguments fits the function's signature; a class builds metrics."""
    if isinstance(function, type):
        return True
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def _name(metric: Any, made: Metric | None) -> str:
    if made is not None and not isinstance(made, MeanOfBatches):
        return type(made).__name__
    return getattr(metric, "__name__", type(metric).__name__)
