"""Checks of the metric and of its target."""

import math
from typing import Any

from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch import target_of
from hasten.training.check.data import Seen
from hasten.training.check.failure import described, failure
from hasten.training.metrics import Quality, class_dimension
from hasten.training.task import Task

_RANGE = {
    "accuracy": (0.0, 1.0),
    "f1": (0.0, 1.0),
    "auroc": (0.0, 1.0),
    "perplexity": (1.0, math.inf),
    "mae": (0.0, math.inf),
    "mse": (0.0, math.inf),
    "rmse": (0.0, math.inf),
    "r2": (-math.inf, 1.0),
}
_OF_CLASSES = ("accuracy", "f1", "auroc")


def check_target(task: Task, quality: Quality) -> None:
    """Raise if the metric does not say which direction is good, or cannot reach the target.

    Raises:
        BadInput: names the metric and the range of its values.
    """
    if callable(task.metric) and task.metric().higher_is_better is None:
        raise BadInput(
            f"the metric {quality.name} must say whether higher is better; its class has higher_is_better = None. "
            "Set it to True or False in a subclass."
        )
    target = task.stop.target
    if target is None:
        return
    low, high = _RANGE.get(quality.name, (-math.inf, math.inf))
    if not math.isfinite(target) or not low <= target <= high:
        percent = quality.name in _OF_CLASSES and 1 < target <= 100
        hint = f" Per cent? Then write {target / 100:g}." if percent else ""
        raise BadInput(f"the target of {quality.name} must be from {low:g} to {high:g}; found {target:g}.{hint}")


def check_metric(quality: Quality, output: Any, seen: Seen) -> None:
    """Raise if the metric cannot judge the model's output against the target.

    Raises:
        BadInput: names the metric and both shapes.
    """
    target = target_of(seen.batch)
    must = f"the metric {quality.name!r} must be able to judge output {described(output)} by target {described(target)}"
    scores = isinstance(output, Tensor) and output.ndim > 1 and output.shape[class_dimension(output, target)] > 1
    if quality.name in _OF_CLASSES and (not scores or target.is_floating_point()):
        raise BadInput(
            f"{must}; it is over classes, so it needs a score for each class and whole labels. Choose another, or give "
            "a function that builds a torchmetrics metric, for example BinaryAccuracy."
        )
    try:
        quality.add(output.detach() if isinstance(output, Tensor) else output, target)
    except Exception as error:
        raise failure(must, error) from error
