"""Checks of what a task does to its batches before the model sees them."""

import torch
from torch import nn

from hasten.base.errors import BadInput
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import Batch, changed_in_turn, size_of
from hasten.training.check.data import Seen
from hasten.training.check.failure import failure, with_batch
from hasten.training.recipe import Forward
from hasten.training.task import Task


def prepared(task: Task, seen: Seen) -> Batch:
    """Return the first samples as `Task.batch_transforms` makes them.

    Raises:
        BadInput: if it fails on them.
    """
    must = f"Task.batch_transforms must take a batch of the {seen.part} data and return it changed"
    with with_batch(seen.batch, seen.part):
        try:
            batch = changed_in_turn(seen.batch, task.batch_transforms)
        except Exception as error:
            raise failure(must, error) from error
        if batch is None:
            raise BadInput(f"{must}; it returned None. Is a return missing?")
    return batch


def check_augmentation(task: Task, model: nn.Module, forward: Forward, seen: Seen) -> None:
    """Raise if the first samples, augmented, cannot be prepared, or do not go through the model and the loss.

    Args:
        task: the task.
        model: a fresh one.
        forward: the task's.
        seen: the training samples as they were read.

    Raises:
        BadInput: says what failed.
    """
    if not task.augment:
        return
    ids = torch.arange(size_of(seen.batch))
    try:
        batch = changed_in_turn(augmented(seen.batch, task.augment, Draws(task.seed, 0, ids)), task.batch_transforms)
        forward.loss(forward.predict(model, batch), batch)
    except Exception as error:
        raise failure(
            "the training data after Task.augment must be prepared and learned from as without it",
            error,
            "Augmentation must give what the model and the loss take.",
        ) from error
