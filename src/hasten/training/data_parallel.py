"""A step of processes that train together: each computes its share of the batch, and the gradients are summed."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from hasten.base.errors import BadInput
from hasten.base.seeds import derive, seed_all
from hasten.data.batch import Batch
from hasten.data.loading.loaders import whole
from hasten.data.loading.streams import Stream
from hasten.training.loss import Loss
from hasten.training.marks import BACKWARD, FORWARD, LOSS, Mark
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe, training_of
from hasten.training.step import accumulate

if TYPE_CHECKING:
    from hasten.training.session import Session


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
    return replace(
        recipe.with_input(loader=loader).with_backward(forward_backward=summed_over_processes),
        parallel=replace(recipe.parallel, processes=processes),
    )


def agree(run: "Session", processes: Processes) -> None:
    """Give every process the time of process 0 and the signal that any of them got, so that all end in one step."""
    elapsed_s, number = run.position.elapsed_s, run.interrupted_by
    own = [elapsed_s if processes.rank == 0 else 0.0, float(number is not None), float(number or 0)]
    run.position.elapsed_s, interrupted, numbers = processes.totals(own, run.recipe.parallel.device)
    if interrupted:
        run.interrupted_by = round(numbers / interrupted)


def summed_over_processes(run: "Session", batch: Batch, mark: Mark) -> Loss:
    """Leave the gradients of the mean loss of the whole batch in the parameters, and return that loss.

    All processes return the same loss and hold the same gradients, up to the last bit.
    """
    processes, device = run.recipe.parallel.processes, run.recipe.parallel.device
    assert processes is not None, "the strategy of several processes"
    if processes.rank:  # each drops other units; a function of the step, so that a resumed run draws the same
        seed_all(derive(run.seed, "process", processes.rank, run.position.step))
    total = partial(processes.total, device=device)
    if batch is NOTHING:
        mark(FORWARD)
        mark(LOSS)
        loss = Loss(torch.zeros((), device=device), 0)
        total(loss.count)
    else:
        loss = accumulate(run, batch, mark, total)
    processes.sum_gradients(run.parameters)
    own, terms = (float(loss.count), float(loss.sum)) if loss.count else (0.0, 0.0), loss.parts or {}
    count, value, named = processes.totals([*own, len(terms) if processes.rank == 0 else 0], device)
    parts = None
    if named and count:  # process 0 has a share of every batch, so that it knows the names
        shares = [float(term) * own[0] for term in terms.values()] or [0.0] * int(named)
        means = [torch.tensor(total / count) for total in processes.totals(shares, device)]
        parts = dict(zip(terms, means, strict=True)) if terms else None
    mark(BACKWARD)
    return Loss(torch.tensor(value, dtype=torch.float64), count, parts=parts)
