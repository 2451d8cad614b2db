"""Check of class labels, or class probabilities, against the scores that the model gives."""

from typing import Any

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch import target_of
from hasten.data.batch_text import kind_of
from hasten.training.check.data import Seen
from hasten.training.check.failure import described
from hasten.training.loss import ClassLoss, CrossEntropy, LossFunction, NegativeLogLikelihood, class_dimension
from hasten.training.output import compared

_NAMES: dict[type[ClassLoss], str] = {CrossEntropy: "cross_entropy", NegativeLogLikelihood: "nll_loss"}


def check_labels(loss: LossFunction, output: Any, seen: Seen) -> None:
    """Raise if the loss is over classes and a target that was seen does not fit the model's scores.

    Raises:
        BadInput: if labels are not int64, their shape does not belong to the output, one is out of range (names the
            sample), none counts, or class probabilities do not sum to 1.
    """
    if not isinstance(loss, ClassLoss):
        return
    name, target = _NAMES.get(type(loss), type(loss).__name__), target_of(seen.batch)
    output = compared(output)
    if not isinstance(target, Tensor):
        raise BadInput(
            f"{name} needs one tensor of labels; found {kind_of(target)} as the target of the {seen.part} data. Give "
            "Task(objective=function of (model, batch) that returns the loss), or return the labels as the target."
        )
    if isinstance(loss, CrossEntropy) and target.is_floating_point() and target.shape == output.shape:
        _check_probabilities(output, loss, seen)
        return
    if target.dtype != torch.int64:
        raise _wrong_dtype(name, output, target, seen.part)
    classes = _num_classes(name, loss, output, target, seen.part)
    if loss.weight is not None and len(loss.weight) != classes:
        raise BadInput(f"{name} has {len(loss.weight)} class weights, but the model gives {classes} scores.")
    labels = seen.targets
    counted = (
        labels != loss.ignore_index if loss.ignore_index is not None else torch.ones_like(labels, dtype=torch.bool)
    )
    wrong = counted & ((labels < 0) | (labels >= classes))
    if wrong.any():
        raise _out_of_range(labels, wrong, classes, seen)
    if not counted.any() and len(seen.ids) == seen.size:
        raise BadInput(
            f"every label of the {seen.part} data is {loss.ignore_index}, which the loss ignores, so nothing is left "
            "to learn or to judge. Correct the labels, or ignore_index."
        )


def _out_of_range(labels: Tensor, wrong: Tensor, classes: int, seen: Seen) -> BadInput:
    places = wrong.nonzero()
    value = int(labels[tuple(places[0])])
    from_one = int(labels.min()) == 1 and int(labels.max()) == classes
    advice = (
        "For two classes give the model two scores, or Task(loss=torch.nn.BCEWithLogitsLoss()) and targets of floats "
        "in the shape of the output."
        if classes == 1
        else "They start from 1: subtract 1."
        if from_one
        else "Correct the labels or the model's last layer, or pass loss=hasten.CrossEntropy(ignore_index=...) if this "
        "label means that there is none."
    )
    return BadInput(
        f"labels must be from 0 to {classes - 1}, since the model gives {classes} scores; found {value} in sample "
        f"{seen.ids[places[0][0]]} of the {seen.part} data and {len(places)} such labels in all. {advice}"
    )


def _check_probabilities(output: Tensor, loss: CrossEntropy, seen: Seen) -> None:
    dim = class_dimension(output, target_of(seen.batch), loss.class_dim)
    sums = seen.targets.double().sum(dim)
    if bool((seen.targets >= 0).all()) and bool(torch.isclose(sums, torch.ones_like(sums), atol=1e-3).all()):
        return
    raise BadInput(
        f"the {seen.part} targets, {described(target_of(seen.batch))}, have the shape of the model's scores, so "
        "cross_entropy takes them as class probabilities (soft labels); these must be at least 0 and sum to 1 in "
        f"dimension {dim}, but the sums are {float(sums.min()):g} to {float(sums.max()):g}. Normalize them, or use "
        "another loss, for example torch.nn.BCEWithLogitsLoss() for several labels per sample."
    )


def _wrong_dtype(name: str, output: Tensor, target: Tensor, part: str) -> BadInput:
    dtype = str(target.dtype).removeprefix("torch.")
    found = f"{name} needs labels of dtype int64; found {dtype} in the {part} data"
    if not target.is_floating_point() or bool((target == target.round()).all()):
        return BadInput(f"{found}. Convert them with .long().")
    return BadInput(
        f"{found}, {described(target)}, with values between whole numbers: soft labels (class probabilities), or "
        f"numbers to predict. Soft labels need the shape of the model's scores, {tuple(output.shape)}, one probability "
        'per class; numbers need loss="mse".'
    )


def _num_classes(name: str, loss: ClassLoss, output: Tensor, target: Tensor, part: str) -> int:
    """Return how many classes the output has scores for."""
    if output.ndim == target.ndim + 1:
        dim = class_dimension(output, target, loss.class_dim)
        if (*output.shape[:dim], *output.shape[dim + 1 :]) == tuple(target.shape):
            return output.shape[dim]
    hint = ""
    if target.shape == output.shape:
        hint = " One-hot labels? Convert them with .argmax(1)."
    elif target.ndim == output.ndim and target.shape[-1] == 1:
        hint = " Squeeze the labels."
    elif loss.class_dim is not None and output.ndim > 2:
        hint = f" The classes are taken from dimension {loss.class_dim}; hasten.CrossEntropy(class_dim=...) changes it."
    raise BadInput(
        f"{name} needs scores (batch, classes, ...) or (batch, ..., classes) and labels (batch, ...); found "
        f"{tuple(output.shape)} from the model and {tuple(target.shape)} in the {part} data.{hint}"
    )
