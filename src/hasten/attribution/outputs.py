"""What a model says of each sample: one score per class, or one number."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.errors import BadInput
from hasten.data.batch import Batch, has_target, target_of
from hasten.data.batch_text import kind_of
from hasten.training.loss import class_dimension, loss_function
from hasten.training.output import compared
from hasten.training.task import Task


@dataclass(frozen=True)
class Outputs:
    """Scores and targets of a batch.

    Attributes:
        scores: (batch, classes), or (batch, 1) for a single number.
        targets: (batch,), classes or numbers.
    """

    scores: Tensor
    targets: Tensor


class Reader:
    """Reads the outputs of a task's model.

    Raises:
        BadInput: if the task returns a loss only.
    """

    def __init__(self, task: Task) -> None:
        if task.objective is not None or task.loss == "model":
            raise BadInput(
                f"the model of the task {task.name!r} is used through its loss only, and attribution needs its output. "
                "Give the task a loss of (output, target) in place of objective or loss='model'."
            )
        self.class_dim = getattr(loss_function(task.loss), "class_dim", None)
        self.two_classes = _is_binary(task.loss)
        self.gives_probabilities = task.loss is F.binary_cross_entropy or isinstance(task.loss, nn.BCELoss)

    def read(self, output: Any, batch: Batch) -> Outputs:
        """Return the scores of a batch with its targets; of a sequence those of its last position.

        Raises:
            BadInput: if the output is neither one number nor one score per class for each sample.
        """
        scores, targets = compared(output), target_of(batch) if has_target(batch) else None
        if not isinstance(scores, Tensor) or not scores.is_floating_point() or not isinstance(targets, Tensor):
            raise BadInput(
                f"attribution needs an output and a target that are tensors; found {kind_of(scores)} and "
                f"{kind_of(targets)}."
            )
        if not targets.is_floating_point() and targets.ndim == 2 and scores.ndim == 3:  # a class for each position
            place = class_dimension(scores, targets, self.class_dim)
            return Outputs(scores[:, -1] if place == 2 else scores[:, :, -1], targets[:, -1])
        if scores.ndim == 1:
            scores = scores.unsqueeze(1)
        if scores.ndim != 2 or targets.numel() != len(scores):
            raise BadInput(
                "attribution explains one number or one class for each sample; found an output of shape "
                f"{tuple(scores.shape)} with a target of shape {tuple(targets.shape)}."
            )
        return Outputs(scores, targets.reshape(-1))

    def probabilities(self, outputs: Outputs) -> Tensor | None:
        """Return the probability of each class, (batch, classes); None where the output is a number."""
        if self.two_classes:
            yes = outputs.scores if self.gives_probabilities else outputs.scores.sigmoid()
            return torch.cat([1 - yes, yes], 1)
        if outputs.targets.is_floating_point():
            return None
        return outputs.scores.softmax(1)


def _is_binary(loss: Any) -> bool:
    function = loss.func if isinstance(loss, partial) else loss
    of_torch = (F.binary_cross_entropy, F.binary_cross_entropy_with_logits)
    return function in of_torch or isinstance(loss, nn.BCELoss | nn.BCEWithLogitsLoss)
