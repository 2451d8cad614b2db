"""Quality metrics by name, through torchmetrics."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torchmetrics import Metric, classification, regression, text

from hasten.base.errors import unknown_name
from hasten.base.units import as_good_as

_BY_NAME: dict[str, Callable[[int], Metric]] = {
    "accuracy": lambda classes: classification.MulticlassAccuracy(classes, average="micro", validate_args=False),
    "f1": lambda classes: classification.MulticlassF1Score(classes, average="macro", validate_args=False),
    "auroc": lambda classes: classification.MulticlassAUROC(classes, validate_args=False),
    "perplexity": lambda outputs: text.Perplexity(),
    "mae": lambda outputs: regression.MeanAbsoluteError(),
    "mse": lambda outputs: regression.MeanSquaredError(),
    "rmse": lambda outputs: regression.MeanSquaredError(squared=False),
    "r2": lambda outputs: regression.R2Score(),
}
_OVER_CLASSES = {"accuracy", "f1", "auroc"}
METRICS: tuple[str, ...] = (*_BY_NAME, "loss")
"""Every name; "loss" is the validation loss and needs no metric object."""


class Quality:
    """The task's metric over one evaluation: `add` every batch, then `value`.

    A named metric over classes is built at the first batch, since only the model's output tells how many there are.

    Args:
        metric: one of `METRICS`, or a function that builds a torchmetrics metric.

    Raises:
        BadInput: if the name is unknown.
    """

    def __init__(self, metric: str | Callable[[], Metric]) -> None:
        if isinstance(metric, str) and metric not in METRICS:
            raise unknown_name("metric", metric, METRICS)
        self.name = metric if isinstance(metric, str) else type(metric()).__name__
        self._make = metric
        self._metric: Metric | None = None if isinstance(metric, str) else metric()
        probe = self._metric or (_BY_NAME[self.name](2) if self.name in _BY_NAME else None)
        self.higher_is_better = bool(probe is not None and probe.higher_is_better)

    def add(self, output: Any, target: Tensor) -> None:
        """Take one batch of outputs and targets into account."""
        if self.name == "loss":
            return
        if self._metric is None:
            self._metric = _BY_NAME[self.name](output.shape[class_dimension(output, target)]).to(output.device)
        if self.name in _OVER_CLASSES and output.ndim > 2 and class_dimension(output, target) == output.ndim - 1:
            output, target = output.flatten(0, -2), target.flatten()
        self._metric.update(output, target)

    def value(self, valid_loss: float) -> float:
        """Return the metric over what was added, and start anew."""
        if self._metric is None:
            return valid_loss
        value = float(self._metric.compute())
        self._metric.reset()
        return value

    def is_better(self, value: float, best: float) -> bool:
        """Return whether `value` beats `best`; a NaN never does, and anything else beats a NaN."""
        if math.isnan(value) or math.isnan(best):
            return not math.isnan(value)
        return value > best if self.higher_is_better else value < best

    def reaches(self, value: float, target: float | None) -> bool:
        """Return whether `value` is as good as `target`; False where there is no target."""
        return target is not None and as_good_as(value, target, higher_is_better=self.higher_is_better)


def class_dimension(output: Tensor, target: Tensor) -> int:
    """Return which dimension of the output holds the scores of the classes, as the cross-entropy takes it.

    The last one for (batch, classes), and where the others are those of the target: (batch, ..., classes). Else, as for
    images in torch's (batch, classes, ...), the second.
    """
    last = output.ndim <= 2 or output.shape[:-1] == target.shape
    return output.ndim - 1 if last else 1
