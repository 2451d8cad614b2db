"""The forward pass and the loss of a task as lines of a script."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from hasten.base.errors import Refused
from hasten.base.seeds import preserved
from hasten.data.batch import inputs_of, target_of
from hasten.pipeline.eject.copying import Copier, Import
from hasten.pipeline.eject.expression import call, expression
from hasten.training.loss import ClassLoss, CrossEntropy, OfMean, SquaredError, class_dimension
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class Objective:
    """How a script computes the loss of a batch.

    Args:
        unpack: statement that takes a batch apart.
        output: expression of the model's output.
        mean: expression of the mean loss.
        terms: expression of what the mean divides by, from `target`.
        class_dim: which dimension of the output holds class scores.
        ignores: whether some labels count for nothing.
        constants: lines at the top.
    """

    unpack: str
    output: str
    mean: str
    terms: str
    class_dim: int
    ignores: bool
    constants: tuple[str, ...] = ()


def objective_of(recipe: Recipe, copier: Copier) -> Objective:
    """Return the lines of a recipe's forward pass and loss; the model is tried on two samples.

    Raises:
        Refused: if the loss has no source of its own.
    """
    batch = recipe.subject.batch()
    model = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        output = recipe.forward.predict(model, batch)
    several = len(inputs_of(batch)) > 1
    unpack = "*inputs, target = batch" if several else "inputs, target = batch"
    called = "model(*inputs)" if several else "model(inputs)"
    copier.imports.add(Import("torch", "Tensor"))
    loss, target = recipe.task.loss, target_of(batch)
    loss = recipe.forward.loss
    if isinstance(loss, OfMean):
        return Objective(unpack, called, call(loss.mean, "output, target", copier), "len(target)", -1, False)
    copier.imports.add(Import("torch.nn", "functional", "F"))
    if isinstance(loss, SquaredError):
        return Objective(unpack, called, "F.mse_loss(output, target)", "target.numel()", -1, False)
    if isinstance(loss, ClassLoss) and isinstance(output, Tensor):
        return _of_classes(loss, output, target, recipe, copier, unpack, called)
    raise Refused(f"the loss {type(loss).__name__} is written for hasten. Give a function (output, target) -> mean")


def _of_classes(
    loss: ClassLoss, output: Tensor, target: Tensor, recipe: Recipe, copier: Copier, unpack: str, called: str
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
    return Objective(unpack, called, mean, terms, dim, ignores, tuple(constants))


def _may_ignore(loss: ClassLoss, recipe: Recipe) -> bool:
    """Return whether some label of the data may count for nothing; False only where it is known that none does."""
    if loss.ignore_index is None:
        return False
    data: Sequence[Any] = (recipe.task.data.train, recipe.task.data.valid)
    if not all(type(one) is TensorDataset for one in data):
        return loss.ignore_index >= 0 or target_of(recipe.subject.batch()).ndim > 1
    return any(bool((target_of(one.tensors) == loss.ignore_index).any()) for one in data)
