"""The forward pass and the loss of a task as lines of a script."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from hasten.base.errors import Refused
from hasten.base.seeds import preserved
from hasten.data.batch import has_target, size_of, target_of
from hasten.data.batch_text import kind_of
from hasten.pipeline.eject.copying import Copier, Import
from hasten.pipeline.eject.expression import call, expression
from hasten.training.loss import ClassLoss, CrossEntropy, OfMean, OfReturned, SquaredError, class_dimension
from hasten.training.output import compared, is_of_torch
from hasten.training.recipe import Recipe
from hasten.training.task import Task


@dataclass(frozen=True)
class Calling:
    """How a script takes a batch apart and calls the model.

    Args:
        unpack: statements before the call.
        output: expression of what the model returns.
        target: expression of the target; empty where the batch has none.
        size: expression of the number of samples.
        moved: expression of the batch on the device.
        splits: whether the batch is a tuple of tensors, which is split column by column.
    """

    unpack: tuple[str, ...]
    output: str
    target: str
    size: str
    moved: str
    splits: bool


@dataclass(frozen=True)
class Objective:
    """How a script computes the loss of a batch.

    Args:
        calling: how the model is called.
        lines: statements that bind `output`, what the metric is computed from, and `loss`, a mean.
        terms: expression of what the mean divides by, from `target` or `batch`.
        class_dim: which dimension of the output holds class scores.
        ignores: whether some labels count for nothing.
        constants: lines at the top.
    """

    calling: Calling
    lines: tuple[str, ...]
    terms: str
    class_dim: int = -1
    ignores: bool = False
    constants: tuple[str, ...] = ()


def objective_of(recipe: Recipe, copier: Copier) -> Objective:
    """Return the lines of a recipe's forward pass and loss; the model is tried on two samples.

    Raises:
        Refused: if a part of it has no source of its own.
    """
    task, loss, batch = recipe.task, recipe.forward.loss, recipe.subject.batch()
    calling = _calling(task, batch, copier)
    model = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        output = recipe.forward.predict(model, batch)
    copier.imports.add(Import("torch", "Tensor"))
    if isinstance(loss, OfReturned):
        return _returned(task, loss, output, batch, calling, copier)
    target, scores = target_of(batch), compared(output)
    reads = _scores_of(output)
    if isinstance(loss, OfMean):
        given = f"output{reads}" if is_of_torch(loss.mean) else "output"
        mean = call(loss.mean, f"{given}, target", copier)
        kept = (f"loss = {mean}", f"output = output{reads}") if reads else (f"loss = {mean}",)
        return Objective(calling, (f"output = {calling.output}", *kept), "len(target)")
    copier.imports.add(Import("torch.nn", "functional", "F"))
    made = f"output = {calling.output}{reads}"
    if isinstance(loss, SquaredError):
        return Objective(calling, (made, "loss = F.mse_loss(output, target)"), "target.numel()")
    if isinstance(loss, ClassLoss) and isinstance(scores, Tensor):
        return _of_classes(loss, scores, target, recipe, copier, calling, made)
    raise Refused(f"the loss {type(loss).__name__} is written for hasten. Give a function (output, target) -> mean")


def called_only(recipe: Recipe, copier: Copier) -> Objective:
    """Return how batches are taken, of a task whose loss nothing but its own step computes."""
    return Objective(_calling(recipe.task, recipe.subject.batch(), copier), (), "")


def _calling(task: Task, batch: Any, copier: Copier) -> Calling:
    whole = task.loss == "model"
    if isinstance(batch, tuple | list) and all(isinstance(one, Tensor) for one in batch):
        target = "target" if has_target(batch) else ""
        one = "inputs" if len(batch) == 2 else "*inputs"
        unpack, called = (f"{one}, target = batch",), f"model({one})"
        if whole or not target:
            unpack, called = (), "model(*batch)"
        moved = "tuple(column.to(DEVICE) for column in batch)"
        calling = Calling(unpack, called, "batch[-1]" if target else "", "len(batch[-1])", moved, True)
    elif isinstance(batch, Mapping) and all(isinstance(one, Tensor) for one in batch.values()):
        names = [name for name in batch if has_target(batch) and batch[name] is target_of(batch)]
        target = f"batch[{expression(names[0], copier)}]" if names else ""
        unpack, called = (), "model(**batch)"
        if names and not whole:
            rest = f"{{name: column for name, column in batch.items() if name != {expression(names[0], copier)}}}"
            unpack, called = (f"inputs, target = {rest}, {target}",), "model(**inputs)"
        moved = "{name: column.to(DEVICE) for name, column in batch.items()}"
        first = names[0] if names else next(iter(batch))
        calling = Calling(unpack, called, target, f"len(batch[{expression(first, copier)}])", moved, False)
    else:
        raise Refused(f"batches must be tuples or dicts of tensors to be ejected; found {kind_of(batch)}")
    if task.predict is not None:
        unpack = (f"target = {calling.target}",) if calling.target else ()
        return replace(calling, unpack=unpack, output=call(task.predict, "model, batch", copier))
    return calling


def _returned(
    task: Task, loss: OfReturned, output: Any, batch: Any, calling: Calling, copier: Copier
) -> Objective:  # fmt: skip
    """Return the lines of a loss that the model or an objective returns."""
    if task.objective is not None:
        found, made = output, call(task.objective, "model, batch", copier)
    else:
        found, made = output, calling.output
    if isinstance(found, Tensor):
        read = ""
    elif isinstance(found, Mapping) and task.objective is not None:
        lines = (f"terms = {made}", f"loss = {' + '.join(f'terms[{expression(name, copier)}]' for name in found)}")
        return Objective(replace(calling, unpack=()), (*lines, "output = loss"), calling.size)
    elif isinstance(found, tuple) and task.objective is not None:
        if found[1] != size_of(batch):
            raise Refused("the objective returns a count of its own, which is not the number of samples")
        read = "[0]"
    elif isinstance(found, Mapping):
        read = '["loss"]'
    elif hasattr(found, "loss"):
        read = ".loss"
    elif isinstance(found, tuple):
        read = "[0]"
    else:
        raise Refused(f"the objective returns a {type(found).__name__} of hasten's")
    lines = (f"output = {made}", f"loss = output{read}") if read else (f"output = loss = {made}",)
    return Objective(replace(calling, unpack=()), lines, calling.size)


def _scores_of(output: Any) -> str:
    """Return how the scores are read from what a model returned."""
    scores = compared(output)
    if scores is output:
        return ""
    if isinstance(output, Mapping):
        return '["logits"]'
    return ".logits" if getattr(output, "logits", None) is scores else "[0]"


def _of_classes(
    loss: ClassLoss, output: Tensor, target: Tensor, recipe: Recipe, copier: Copier, calling: Calling, made: str
) -> Objective:
    dim = class_dimension(output, target, loss.class_dim)
    given, labels = "output", "target"
    if output.ndim > 2 and dim == output.ndim - 1:
        given, labels = "output.flatten(0, -2)", "target.flatten()"
        if target.is_floating_point():
            labels = f"target.flatten(0, {output.ndim - 2})"
    options, constants, terms = list[str](), list[str](), "target.numel()"
    ignores = _may_ignore(loss, recipe)
    if target.is_floating_point():
        terms, ignores = f"(target.numel() // target.shape[{dim if target.ndim > 2 else -1}])", False
    elif ignores:
        terms = f"int((target != {loss.ignored}).sum())"
    if loss.weight is not None:
        copier.imports.add(Import("torch"))
        constants.append(f"CLASS_WEIGHTS = torch.tensor({expression(list(loss.weight), copier)}, device=DEVICE)")
        options.append("weight=CLASS_WEIGHTS")
        kept = f"target[target != {loss.ignored}]" if ignores else "target"
        terms = terms if target.is_floating_point() else f"float(CLASS_WEIGHTS[{kept}].sum())"
    if ignores and loss.ignored != -100:
        options.append(f"ignore_index={loss.ignored}")
    if isinstance(loss, CrossEntropy) and loss.label_smoothing:
        options.append(f"label_smoothing={loss.label_smoothing!r}")
    name = "F.cross_entropy" if isinstance(loss, CrossEntropy) else "F.nll_loss"
    mean = f"{name}({', '.join([given, labels, *options])})"
    return Objective(calling, (made, f"loss = {mean}"), terms, dim, ignores, tuple(constants))


def _may_ignore(loss: ClassLoss, recipe: Recipe) -> bool:
    """Return whether some label of the data may count for nothing; False only where it is known that none does."""
    if loss.ignore_index is None:
        return False
    data: tuple[Any, ...] = (recipe.task.data.train, recipe.task.data.valid)
    if not all(type(one) is TensorDataset for one in data):
        return loss.ignore_index >= 0 or target_of(recipe.subject.batch()).ndim > 1
    return any(bool((target_of(one.tensors) == loss.ignore_index).any()) for one in data)
