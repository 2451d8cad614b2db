"""Check of class labels against the scores that the model gives."""

from typing import Any

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch import target_of
from hasten.training.check.data import Seen
from hasten.training.check.failure import described
from hasten.training.loss import CrossEntropy, LossFunction


def check_labels(loss: LossFunction, output: Any, seen: Seen) -> None:
    """Raise if the loss is the cross-entropy and a label that was seen is none of the model's classes.

    Raises:
        BadInput: if labels are not int64, their shape does not belong to the output, or one is out of range (names
            the sample).
    """
    if not isinstance(loss, CrossEntropy):
        return
    target = target_of(seen.batch)
    if not isinstance(output, Tensor):
        raise BadInput(f"cross_entropy needs one tensor of scores from the model; found {described(output)}.")
    if target.dtype != torch.int64:
        raise BadInput(
            f"cross_entropy needs labels of dtype int64; found {str(target.dtype).removeprefix('torch.')} in the "
            f"{seen.part} data. Convert them with .long()."
        )
    num_classes = _num_classes(output, target, seen.part)
    labels = seen.targets
    wrong = (labels < 0) | (labels >= num_classes)
    if loss.ignore_index is not None:
        wrong &= labels != loss.ignore_index
    if not wrong.any():
        return
    places = wrong.nonzero()
    value = int(labels[tuple(places[0])])
    from_one = int(labels.min()) == 1 and int(labels.max()) == num_classes
    raise BadInput(
        f"labels must be from 0 to {num_classes - 1}, since the model gives {num_classes} scores; found {value} in "
        f"sample {seen.ids[places[0][0]]} of the {seen.part} data and {len(places)} such labels in all. "
        + ("They start from 1: subtract 1." if from_one else "Correct the labels, or the model's last layer.")
    )


def _num_classes(output: Tensor, target: Tensor, part: str) -> int:
    """Return how many classes the output has scores for: its last dimension, or the second as torch has it."""
    if output.ndim == target.ndim + 1:
        if output.shape[:-1] == target.shape:
            return output.shape[-1]
        if (output.shape[0], *output.shape[2:]) == tuple(target.shape):
            return output.shape[1]
    hint = " Squeeze the labels." if target.ndim == 2 and target.shape[1] == 1 else ""
    raise BadInput(
        f"cross_entropy needs scores (batch, ..., classes) and labels (batch, ...); found {tuple(output.shape)} from "
        f"the model and {tuple(target.shape)} in the {part} data.{hint}"
    )
