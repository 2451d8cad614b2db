"""A task and its recipe described for people."""

from torch import Tensor

from hasten.base.records.run import TaskFacts
from hasten.training.inspection import example_model
from hasten.training.recipe import Recipe
from hasten.training.task import quality_of


def task_facts(recipe: Recipe) -> TaskFacts:
    """Return what is going to be trained; builds the model once to count its parameters."""
    task, update = recipe.task, recipe.update
    return TaskFacts(
        name=task.name,
        train_samples=len(task.data.train),  # type: ignore[arg-type]
        valid_samples=len(task.data.valid),  # type: ignore[arg-type]
        sample_shape=" -> ".join(map(_shape, task.data.train[0])),
        parameters=sum(parameter.numel() for parameter in example_model(recipe).parameters()),
        batch_size=recipe.input.batch_size,
        optimizer=update.optimizer if isinstance(update.optimizer, str) else "the task's own",
        learning_rate=update.lr,
        schedule=update.schedule.name,
        epochs=task.stop.epochs,
        steps=task.stop.steps,
        metric=quality_of(task).name,
        target=task.stop.target,
    )


def _shape(value: object) -> str:
    if isinstance(value, Tensor) and value.ndim:
        return "x".join(map(str, value.shape))
    return "1"
