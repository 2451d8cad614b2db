"""The forward pass and the loss of a task as lines of a script."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from hasten.base.errors import Refused
from hasten.base.seeds import preserved
from hasten.data.batch import target_of
from hasten.pipeline.eject.calling import Calling, calling_of
from hasten.pipeline.eject.copying import Copier, Import
from hasten.pipeline.eject.expression import call, expression
from hasten.training.counting import A_SUM, LABELS, NEXT_LABELS, NUMBERS, TOKENS, Counting
from hasten.training.loss import ClassLoss, CrossEntropy, Loss, OfMean, OfReturned, SquaredError, class_dimension
from hasten.training.output import compared, is_of_torch
from hasten.training.recipe import Recipe
from hasten.training.task import Task

RETURNED = "terms"
"""What the mean divides by where the objective says it: a variable beside `loss`."""


@dataclass(frozen=True)
class Objective:
    """How a script computes the loss of a batch.

    Args:
        calling: how the model is called.
        lines: statements that bind `output`, what the metric is computed from, and `loss`, a mean.
        terms: expression of what the mean divides by, from `target` or `batch`; `RETURNED` where `lines` bind it.
        class_dim: which dimension of the output holds class scores.
        ignores: whether some labels count for nothing.
        constants: lines at the top.
        summed: statement that binds `loss` as a sum, in the place of the last of `lines`; empty where the loss is
            computed as a mean, and its sum is the product.
        own: expression of what an objective returns; empty where the model is called.
    """

    calling: Calling
    lines: tuple[str, ...]
    terms: str
    class_dim: int = -1
    ignores: bool = False
    constants: tuple[str, ...] = ()
    summed: str = ""
    own: str = ""

    @property
    def called(self) -> str:
        """The expression of the forward pass."""
        return self.own or self.calling.output

    @property
    def returns_terms(self) -> bool:
        """Whether the objective itself says what its mean divides by."""
        return self.terms == RETURNED


def objective_of(recipe: Recipe, copier: Copier) -> Objective:
    """Return the lines of a recipe's forward pass and loss; the model is tried on two samples.

    Raises:
        Refused: if a part of it has no source of its own.
    """
    task, loss, batch = recipe.task, recipe.forward.loss, recipe.subject.batch()
    calling = calling_of(task, batch, copier)
    model = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        output = recipe.forward.predict(model, batch)
    copier.imports.add(Import("torch", "Tensor"))
    if isinstance(loss, OfReturned):
        return _returned(task, loss, output, calling, copier)
    target, scores = target_of(batch), compared(output)
    reads = _scores_of(output)
    if isinstance(loss, OfMean):
        given = f"output{reads}" if is_of_torch(loss.mean) else "output"
        mean = call(loss.mean, f"{given}, target", copier)
        kept = (f"loss = {mean}", f"output = output{reads}") if reads else (f"loss = {mean}",)
        return Objective(calling, (f"output = {calling.output}", *kept), _terms(loss.counting, calling, batch))
    copier.imports.add(Import("torch.nn", "functional", "F"))
    made = f"output = {calling.output}{reads}"
    if isinstance(loss, SquaredError):
        return Objective(calling, (made, "loss = F.mse_loss(output, target)"), "target.numel()")
    if isinstance(loss, ClassLoss) and isinstance(scores, Tensor):
        return _of_classes(loss, scores, target, recipe, copier, calling, made)
    raise Refused(f"the loss {type(loss).__name__} is written for hasten. Give a function (output, target) -> mean")


def called_only(recipe: Recipe, copier: Copier) -> Objective:
    """Return how batches are taken, of a task whose loss nothing but its own step computes."""
    return Objective(calling_of(recipe.task, recipe.subject.batch(), copier), (), "")


def _terms(counting: Counting | None, calling: Calling, batch: Any) -> str:
    """Return the expression of what a mean divides by, from `target` or `batch`."""
    if counting is A_SUM:
        return "1"
    if counting is TOKENS:
        return f"int(batch{calling.mask}.sum())"
    if counting is NUMBERS and isinstance(target_of(batch), Tensor):
        return "target.numel()"
    if counting is LABELS:
        return "int((target != -100).sum())"
    if counting is NEXT_LABELS:
        return "int((target[:, 1:] != -100).sum())"
    return calling.size


def _returned(task: Task, loss: OfReturned, output: Any, calling: Calling, copier: Copier) -> Objective:
    """Return the lines of a loss that the model or an objective returns."""
    made = calling.output if task.objective is None else call(task.objective, "model, batch", copier)
    terms = _terms(loss.counting, calling, None) if loss.counting is not NUMBERS else calling.size
    if isinstance(output, Tensor):
        lines: tuple[str, ...] = (f"output = loss = {made}",)
    elif task.objective is None:
        read = '["loss"]' if isinstance(output, Mapping) else ".loss" if hasattr(output, "loss") else "[0]"
        lines = (f"output = {made}", f"loss = output{read}")
    elif isinstance(output, Loss):
        lines, terms = (f"output = {made}", "loss, terms = output.mean, output.count"), RETURNED
    elif isinstance(output, tuple):
        is_named = isinstance(output[0], Mapping)
        lines, terms = (f"{'losses' if is_named else 'loss'}, terms = {made}",), RETURNED
        lines += ("output = loss = sum(losses.values())",) if is_named else ("output = loss",)
    else:
        lines = (f"losses = {made}", "output = loss = sum(losses.values())")
    own = made if task.objective is not None else ""
    return Objective(replace(calling, unpack=()), lines, terms, own=own)


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
    plain = loss.weight is None and not target.is_floating_point() and not getattr(loss, "label_smoothing", 0.0)
    summed = f'loss = {mean[:-1]}, reduction="sum")' if plain else ""
    return Objective(calling, (made, f"loss = {mean}"), terms, dim, ignores, tuple(constants), summed)


def _may_ignore(loss: ClassLoss, recipe: Recipe) -> bool:
    """Return whether some label of the data may count for nothing; False only where it is known that none does."""
    if loss.ignore_index is None:
        return False
    data: tuple[Any, ...] = (recipe.task.data.train, recipe.task.data.valid)
    if not all(type(one) is TensorDataset for one in data):
        return loss.ignore_index >= 0 or target_of(recipe.subject.batch()).ndim > 1
    return any(bool((target_of(one.tensors) == loss.ignore_index).any()) for one in data)
