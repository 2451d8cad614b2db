"""A task and its recipe described for people."""

import torch
from torch import Tensor, nn

from hasten.base.records.run import TaskFacts
from hasten.base.seeds import preserved
from hasten.training.inspection import example_batch, example_model
from hasten.training.recipe import Recipe
from hasten.training.task import quality_of


def task_facts(recipe: Recipe) -> TaskFacts:
    """Return what is going to be trained; builds the model once to count its parameters."""
    task, update = recipe.task, recipe.update
    model = example_model(recipe)
    return TaskFacts(
        name=task.name,
        train_samples=len(task.data.train),  # type: ignore[arg-type]
        valid_samples=len(task.data.valid),  # type: ignore[arg-type]
        sample_shape=_sample(recipe, model),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        batch_size=recipe.input.batch_size,
        optimizer=update.optimizer if isinstance(update.optimizer, str) else "the task's own",
        learning_rate=update.lr,
        schedule=update.schedule.name,
        epochs=task.stop.epochs,
        steps=task.stop.steps,
        metric=quality_of(task).name,
        target=task.stop.target,
    )


def _sample(recipe: Recipe, model: nn.Module) -> str:
    """Return the shapes of inputs and target: "1x28x28 -> 10 classes", "8 -> 1"."""
    *inputs, target = recipe.task.data.train[0]
    classes = _classes(recipe, model, target)
    return " -> ".join((*map(_shape, inputs), f"{classes} classes" if classes else _shape(target)))


def _classes(recipe: Recipe, model: nn.Module, target: object) -> int:
    """Return the number of outputs for a target that is one class index, as cross-entropy takes it; else 0."""
    if recipe.task.loss != "cross_entropy" or not isinstance(target, Tensor | int) or torch.as_tensor(target).ndim:
        return 0
    with preserved(), torch.no_grad():
        output = recipe.forward.predict(model.eval(), example_batch(recipe))
    return output.shape[1] if isinstance(output, Tensor) and output.ndim == 2 else 0


def _shape(value: object) -> str:
    if isinstance(value, Tensor) and value.ndim:
        return "x".join(map(str, value.shape))
    return "1"
