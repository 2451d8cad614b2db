"""The torchmetrics objects behind the names of metrics, and one around a plain function.

A module of its own, since torchmetrics is slow to import: `hasten.training.metrics` does so when a metric is needed.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torchmetrics import Metric, classification, regression, text
from torchmetrics.functional.classification import multiclass_auroc

from hasten.base.errors import BadInput
from hasten.data.batch import size_of

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


BY_NAME: dict[str, Callable[[int], Metric]] = {
    "accuracy": lambda classes: classification.MulticlassAccuracy(classes, average="micro", validate_args=False),
    "f1": lambda classes: classification.MulticlassF1Score(classes, average="macro", validate_args=False),
    "auroc": AurocOfPresentClasses,
    "perplexity": lambda classes: text.Perplexity(),
    "mae": lambda outputs: regression.MeanAbsoluteError(),
    "mse": lambda outputs: regression.MeanSquaredError(),
    "rmse": lambda outputs: regression.MeanSquaredError(squared=False),
    "r2": lambda outputs: regression.R2Score(),
}
"""Name -> function from the number of classes (0 where it has none) to a metric object."""


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
        raise BadInput(f"Task.metric, {name_of(metric, None)}, failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, Metric):
        raise BadInput(
            "Task.metric must be a name, a torchmetrics metric, a function that builds one, or a function "
            f"(output, target) -> value; {name_of(metric, None)}() returned {type(made).__name__}."
        )
    return made


def _takes_no_argument(function: Callable[..., Any]) -> bool:
    """Return whether a call without arguments fits the function's signature; a class builds metrics."""
    if isinstance(function, type):
        return True
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def name_of(metric: Any, made: Metric | None) -> str:
    """Return what a metric is called: the class of an object, or the name of a plain function."""
    if made is not None and not isinstance(made, MeanOfBatches):
        return type(made).__name__
    return getattr(metric, "__name__", type(metric).__name__)
