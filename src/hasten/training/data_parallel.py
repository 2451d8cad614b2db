"""Processes that train together: what a recipe needs for it, and what they agree on after each step."""

from dataclasses import replace
from typing import TYPE_CHECKING

from hasten.base.errors import BadInput
from hasten.data.loading.loaders import whole
from hasten.data.loading.streams import Stream
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, training_of
from hasten.training.step import accumulate

if TYPE_CHECKING:
    from hasten.training.session import Session


def among(recipe: Recipe, processes: Processes) -> Recipe:
    """Return the recipe that knows of the processes, as techniques need it; `in_processes` makes it the final one."""
    bare = None if recipe.bare is None else among(recipe.bare, processes)
    return replace(recipe, parallel=replace(recipe.parallel, processes=processes), bare=bare)


def in_processes(recipe: Recipe, processes: Processes) -> Recipe:
    """Return the recipe of this process among those that train together. The batches stay those of one process.

    Raises:
        BadInput: if the training cannot be shared.
    """
    train, size = training_of(recipe.task), recipe.input.batch_size
    if recipe.task_step is not None:
        raise BadInput("a step of the task's own cannot be shared among processes; train it in one.")
    if isinstance(train, Stream):
        raise BadInput(
            f"the training data of {recipe.task.name!r} come as batches ({train.reason}), which several processes "
            "cannot share. Give a data set with a length, or train in one process."
        )
    if recipe.input.sampling is not None:
        raise BadInput(
            "a technique that passes over samples cannot be shared among processes; leave it out of the plan."
        )
    if recipe.step is not None or recipe.backward.forward_backward is not accumulate:
        raise BadInput(
            "a technique that makes the step its own way cannot be shared among processes; leave it out of the plan."
        )
    if processes.bounds(size)[0] == processes.bounds(size)[1]:
        raise BadInput(f"a batch of {size} samples has none for process {processes.rank} of {processes.size}.")
    loader = train.loader if recipe.input.loader is whole else recipe.input.loader
    return among(recipe.with_input(loader=loader), processes)


def agree(run: "Session", processes: Processes) -> None:
    """Give every process the time of process 0 and the signal that any of them got, so that all end in one step."""
    elapsed_s, number = run.position.elapsed_s, run.interrupted_by
    own = [elapsed_s if processes.rank == 0 else 0.0, float(number is not None), float(number or 0)]
    run.position.elapsed_s, interrupted, numbers = processes.totals(own, run.recipe.parallel.device)
    if interrupted:
        run.interrupted_by = round(numbers / interrupted)
