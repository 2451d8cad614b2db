"""The evaluation of a task's metric as a function of a script."""

from dataclasses import dataclass

from hasten.pipeline.eject.copying import Copier, Import
from hasten.pipeline.eject.expression import call, expression
from hasten.pipeline.eject.objective import Objective
from hasten.training.metrics import NamedQuality, Quality
from hasten.training.recipe import Recipe

_SUMS = {
    "mse": ("float((output - target).square().sum())", "total / count"),
    "rmse": ("float((output - target).square().sum())", "math.sqrt(total / count)"),
    "mae": ("float((output - target).abs().sum())", "total / count"),
}
_TORCHMETRICS = {
    "f1": 'MulticlassF1Score({classes}, average="macro")',
    "perplexity": "Perplexity()",
    "r2": "R2Score()",
    "auroc": "MulticlassAUROC({classes})",
}


@dataclass(frozen=True)
class Metric:
    """How a script computes the metric: before the loop over batches, for each batch, and at the end.

    Args:
        name: for the output.
        higher_is_better: its direction.
        start: statements before the first batch.
        batch: statements for each batch; they see `output` and `target`.
        value: expression of the metric.
        package: another package that it needs.
        validate: expression of the values by name that the task's own evaluation returns; empty where it has none.
    """

    name: str
    higher_is_better: bool
    start: str = ""
    batch: str = ""
    value: str = "valid_loss"
    package: str = ""
    validate: str = ""


def metric_of(
    recipe: Recipe, quality: Quality | NamedQuality, objective: Objective, classes: int, copier: Copier
) -> Metric:
    """Return the lines of the metric of a task.

    Raises:
        Refused: if it has no source of its own.
    """
    name, higher = quality.name, quality.higher_is_better
    metric = recipe.task.metric
    assert metric is not None, "set when the task is made"
    if recipe.task.validate is not None:
        value = f"float(values[{expression(name, copier)}])"
        return Metric(name, higher, value=value, validate=call(recipe.task.validate, "model", copier))
    if metric == "loss":
        return Metric("loss", higher)
    if metric == "accuracy":
        dim = objective.class_dim
        found = f"(output.argmax({dim}) == target)"
        kept, terms = (f"({found} & (target >= 0))", "int((target >= 0).sum())") if objective.ignores else (found, "")
        lines = f"right += int({kept}.sum())\nlabels += {terms or 'target.numel()'}"
        return Metric("accuracy", higher, "right, labels = 0, 0", lines, "right / labels")
    if isinstance(metric, str) and metric in _SUMS:
        line, value = _SUMS[metric]
        if "math" in value:
            copier.imports.add(Import("math"))
        batch = f"total += {line}\ncount += target.numel()"
        return Metric(metric, higher, "total, count = 0.0, 0", batch, value)
    if isinstance(metric, str):
        text = _TORCHMETRICS[metric].format(classes=classes)
        module = {"perplexity": "text", "r2": "regression"}.get(metric, "classification")
        copier.imports.add(Import(f"torchmetrics.{module}", text.partition("(")[0]))
        given = _labeled(metric, objective)
        return Metric(
            metric, higher, f"metric = {text}.to(DEVICE)", f"metric.update({given})", "float(metric.compute())",
            "torchmetrics",
        )  # fmt: skip
    from hasten.training.metric_objects import MeanOfBatches, made_metric  # torchmetrics is slow to import

    if isinstance(made_metric(metric), MeanOfBatches):
        batch = f"total += float({call(metric, 'output, target', copier)}) * len(target)\nsamples += len(target)"
        return Metric(name, higher, "total, samples = 0.0, 0", batch, "total / samples")
    text = expression(metric, copier) if isinstance(metric, type) else call(metric, "", copier)
    made = f"{text}()" if isinstance(metric, type) else text
    start = f"metric = {made}.to(DEVICE)"
    return Metric(name, higher, start, "metric.update(output, target)", "float(metric.compute())", "torchmetrics")


def _labeled(metric: str, objective: Objective) -> str:
    if metric == "r2":
        return "output, target"
    if metric == "perplexity":
        return f"output.movedim({objective.class_dim}, -1).flatten(0, -2)[None], target.flatten()[None]"
    return f"output.movedim({objective.class_dim}, -1).flatten(0, -2), target.flatten()"
