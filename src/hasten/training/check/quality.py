"""Checks of the metric and of its target."""

import math
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.base.user_code import user_location
from hasten.data.batch import has_target, size_of, target_of
from hasten.data.loading.sample_randomness import restored
from hasten.training.check.data import Seen
from hasten.training.check.failure import described, failure
from hasten.training.loss import class_dimension
from hasten.training.metrics import METRICS, OVER_CLASSES, NamedQuality, Quality
from hasten.training.output import compared
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
_IN_PERCENT = ("accuracy", "f1", "auroc")
_JUDGED = 16
_OTHER_METRIC = "Choose another metric, or give more data."
_TRIED_S = 1.0
_HOW_TO_VALIDATE = """Its form:
    def validate(model):
        return {{{name!r}: 0.9}}
    Task(..., validate=validate, metric={name!r})"""


def check_output_is_judged(task: Task, quality: Quality | NamedQuality) -> None:
    """Raise if a metric by name needs an output, and the task's objective returns a loss in its place.

    Raises:
        BadInput: names the metric.
    """
    if task.objective is not None and isinstance(quality, Quality) and quality.name in METRICS and quality.compares:
        raise BadInput(
            f"the metric {quality.name!r} judges the model's output, and Task.objective returns a loss. Leave the "
            "metric out (it is then the validation loss), or evaluate the model yourself:\n    def validate(model):\n"
            f"        return {{{quality.name!r}: ...}}\n    Task(..., validate=validate, metric={quality.name!r})"
        )


def check_target(task: Task, quality: Quality | NamedQuality) -> None:
    """Raise if the metric cannot reach the target.

    Raises:
        BadInput: names the metric and the range of its values.
    """
    target = task.stop.target
    if target is None:
        return
    low, high = _RANGE.get(quality.name, (-math.inf, math.inf))
    if not math.isfinite(target) or not low <= target <= high:
        percent = quality.name in _IN_PERCENT and 1 < target <= 100
        hint = f" Per cent? Then write {target / 100:g}." if percent else ""
        raise BadInput(f"the target of {quality.name} must be from {low:g} to {high:g}; found {target:g}.{hint}")


def check_metric(quality: Quality, output: Any, seen: Seen, class_dim: int | None) -> None:
    """Raise if the metric cannot judge the model's output against the target, or cannot be computed.

    Args:
        quality: of the task.
        output: the model's for the first samples.
        seen: what was seen of the data.
        class_dim: of the task's loss.

    Raises:
        BadInput: names the metric and both shapes.
    """
    if not has_target(seen.batch):
        raise BadInput(
            f"the metric {quality.name!r} compares the model's output with a target, and the {seen.part} batches have "
            f'none: {described(seen.batch)}. Pass metric="loss", or Task(validate=function of the model).'
        )
    target = target_of(seen.batch)
    if quality.takes_scores:
        output = compared(output)
    must = f"the metric {quality.name!r} must be able to judge output {described(output)} by target {described(target)}"
    if quality.name in OVER_CLASSES:
        scores = (
            isinstance(output, Tensor)
            and isinstance(target, Tensor)
            and output.ndim > 1
            and output.shape[class_dimension(output, target, class_dim)] > 1
        )
        if scores and target.is_floating_point() and target.shape == output.shape:
            raise BadInput(
                f"{must}; it needs one label per sample, and these {seen.part} targets are class probabilities (soft "
                'labels) or numbers. Use metric="loss", or judge by hard labels: give them in the validation data, or '
                "pass a function (output, target) -> value as metric."
            )
        if not scores or target.is_floating_point():
            raise BadInput(
                f"{must}; it is over classes, so it needs a score for each class and whole labels. Choose another, or "
                "give a function that builds a torchmetrics metric, for example BinaryAccuracy."
            )
    judged = output.detach() if isinstance(output, Tensor) else output
    size = len(seen.ids) if seen.size is None else seen.size
    try:
        # As many samples as an evaluation has, up to some: a metric may need several.
        for _ in range(max(1, min(size, _JUDGED) // size_of(seen.batch))):
            quality.add(judged, target)
        quality.value(0.0)
    except Exception as error:
        few = f" The {seen.part} data have {size} sample{'s' * (size > 1)}." if size < _JUDGED else ""
        own = not quality.takes_scores
        advice = "It is called as metric(output, target) and must return one number." if own else _OTHER_METRIC
        raise failure(must, error, f"{advice}{few}") from error
    if quality.name == "auroc" and seen.part == "validation" and len(seen.ids) == seen.size:
        labels = seen.targets.unique()
        if len(labels) < 2:
            raise BadInput(
                f"auroc is not defined where all labels are the same; every label of the validation data is "
                f"{int(labels[0])}. Choose another metric, or add samples of other classes."
            )


class _EnoughError(BaseException):
    """Leaves an evaluation of the person's own; no error, so that its `except Exception` does not catch it."""


def check_validate(task: Task, model: nn.Module, quality: Quality | NamedQuality) -> None:
    """Raise if `Task.validate` fails, or does not return the metric. It runs once, for about a second at most.

    An evaluation that takes longer is left at the next call of the model. What it changes in its own objects is undone.

    Raises:
        BadInput: says what it returned, or where it failed.
    """
    if task.validate is None or not isinstance(quality, NamedQuality):
        return
    end = perf_counter() + _TRIED_S

    def leave(*_: Any) -> None:
        if perf_counter() > end:
            raise _EnoughError

    handle = model.register_forward_pre_hook(leave)
    try:
        with restored(task.validate), torch.no_grad():
            values = task.validate(model)
    except _EnoughError:
        return
    except Exception as error:
        must = "Task.validate must evaluate the model and return {name: value}"
        form = "" if user_location(error) else _HOW_TO_VALIDATE.format(name=quality.name)
        raise failure(must, error, form) from error
    finally:
        handle.remove()
    try:
        quality.of(values)
    except BadInput as error:
        raise BadInput(f"{error} {_HOW_TO_VALIDATE.format(name=quality.name)}") from error
