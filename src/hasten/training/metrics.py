"""Quality metrics by name through torchmetrics, torchmetrics objects, and plain functions."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hasten.base.errors import BadInput, unknown_name
from hasten.base.units import as_good_as
from hasten.training.loss import LossFunction, class_dimension
from hasten.training.output import compared

if TYPE_CHECKING:
    from torchmetrics import Metric

    from hasten.training.metric_objects import MetricFactory, MetricFunction

OVER_CLASSES = frozenset({"accuracy", "f1", "auroc", "perplexity"})
"""Metrics that compare class scores with labels; they leave out the labels that the loss ignores."""
_HIGHER_IS_BETTER = {
    "accuracy": True,
    "f1": True,
    "auroc": True,
    "perplexity": False,
    "mae": False,
    "mse": False,
    "rmse": False,
    "r2": True,
    "loss": False,
}
METRICS: tuple[str, ...] = tuple(_HIGHER_IS_BETTER)
"""Every name; "loss" is the validation loss and needs no metric object."""


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
                f"{getattr(metric, '__name__', type(metric).__name__)}."
            )
        self.name = metric
        known = metric in METRICS
        if not known and higher_is_better is None:
            raise BadInput(
                f"the metric {metric!r} of Task.validate must say whether higher is better. "
                "Pass Task(higher_is_better=True) or Task(higher_is_better=False)."
            )
        self.higher_is_better = (
            _direction(metric, _HIGHER_IS_BETTER[metric], higher_is_better) if known else bool(higher_is_better)
        )

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
        self._metric: Metric | None = None
        self.takes_scores = True
        """Whether it takes what a loss compares, and not, as a plain function, whatever the model returned."""
        if isinstance(metric, str):
            self.name, own = metric, _HIGHER_IS_BETTER[metric]
        else:
            from hasten.training.metric_objects import MeanOfBatches, made_metric, name_of

            self._metric = made_metric(metric)
            self.takes_scores = not isinstance(self._metric, MeanOfBatches)
            self.name, own = name_of(metric, self._metric), self._metric.higher_is_better
        self._ignored: int | None = getattr(loss, "ignore_index", None)
        self._class_dim: int | None = getattr(loss, "class_dim", None)
        self.higher_is_better = _direction(self.name, own, higher_is_better)

    @property
    def compares(self) -> bool:
        """Whether it looks at outputs and targets; the validation loss itself does not."""
        return self.name != "loss"

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
            self._build(classes)
            if not len(target):
                return
            if self.name == "perplexity":  # takes (batch, positions, classes)
                output, target = output.unsqueeze(0), target.unsqueeze(0)
        metric = self._build(0)
        if isinstance(output, Tensor) and metric.device != output.device:
            metric = self._metric = metric.to(output.device)
        metric.update(output, target)

    def _build(self, classes: int) -> "Metric":
        """Return the metric object, made at the first call."""
        if self._metric is None:
            from hasten.training.metric_objects import BY_NAME

            self._metric = BY_NAME[self.name](classes)
        return self._metric

    def value(self, valid_loss: float, *, shared: bool = False) -> float:
        """Return the metric over what was added, and start anew; NaN where nothing counted.

        Args:
            valid_loss: returned where that is the metric.
            shared: whether other processes have added the rest.
        """
        if not self.compares:
            return valid_loss
        if self._metric is None or not (self._metric.update_called or shared):
            return math.nan
        self._metric.sync_on_compute = shared
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


def _direction(name: str, own: bool | None, given: bool | None) -> bool:
    """Return whether a higher value of the metric is better."""
    if own is None and given is None:
        raise BadInput(
            f"the metric {name} must say whether higher is better. "
            "Pass Task(higher_is_better=True) or Task(higher_is_better=False)."
        )
    if own is not None and given is not None and own != given:
        raise BadInput(f"higher_is_better={given} contradicts the metric {name}, which says {own}. Leave it out.")
    return bool(given if own is None else own)
