"""A task and its recipe described for people."""

from typing import Any

import torch
from torch import Tensor

from hasten.base.records.run import TaskFacts
from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import Batch, has_target, inputs_of, target_of, tensors_of
from hasten.training.loss import ClassLoss, class_dimension
from hasten.training.output import compared
from hasten.training.recipe import Recipe, baseline
from hasten.training.task import Task, quality_of
from hasten.training.technique import labels_of


def task_facts(recipe: Recipe) -> TaskFacts:
    """Return what is going to be trained; builds the model, and runs it once where the targets are classes."""
    task, update = recipe.task, recipe.update
    batch = recipe.subject.raw_batch(1)
    inputs = [leaf for part in inputs_of(batch) for leaf in tensors_of(part)]
    target = [_target(task, batch)] if has_target(batch) else []
    return TaskFacts(
        name=task.name,
        train_samples=recipe.subject.train_samples,
        valid_samples=0 if task.data.valid is None else recipe.subject.valid_samples,
        sample_shape=" -> ".join([*map(_shape, inputs), *target]),
        parameters=sum(parameter.numel() for parameter in recipe.subject.model().parameters()),
        batch_size=recipe.input.batch_size,
        optimizer=update.optimizer if isinstance(update.optimizer, str) else _name(update.optimizer),
        learning_rate=update.lr,
        schedule=update.schedule.name,
        epochs=task.stop.epochs,
        steps=task.stop.steps,
        metric=quality_of(task).name,
        target=task.stop.target,
        uses=labels_of(recipe.uses),
    )


def _target(task: Task, raw: Batch) -> str:
    """Return the shape of a target; of labels, the number of classes that the model tells apart."""
    loss, target = baseline(task).forward.loss, target_of(raw)
    if task.step is not None:  # nothing says that the model can be called with a batch
        return _shape(target)
    if not isinstance(loss, ClassLoss) or (isinstance(target, Tensor) and target.is_floating_point()):
        return _shape(target)
    batch = baseline(task).subject.batch()
    with preserved(), torch.no_grad():
        seed_all(task.seed)
        output = compared(baseline(task).forward.predict(task.model().eval(), batch))
    classes = f"{output.shape[class_dimension(output, target_of(batch), loss.class_dim)]} classes"
    return f"{_shape(target)} of {classes}" if isinstance(target, Tensor) and target.ndim > 1 else classes


def _name(optimizer: Any) -> str:
    """Return the name of a class; a function is the task's own."""
    kind = getattr(optimizer, "func", optimizer)
    return kind.__name__ if isinstance(kind, type) else "the task's own"


def _shape(value: object) -> str:
    if isinstance(value, Tensor) and value.ndim > 1:
        return "x".join(map(str, value.shape[1:]))
    return "1"
