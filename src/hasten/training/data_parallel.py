"""Processes that train together: what a recipe needs for it, and what they agree on after each step."""

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from hasten.base.errors import BadInput
from hasten.base.records.run import SharesChanged
from hasten.data.loading.loaders import whole
from hasten.data.loading.streams import Stream
from hasten.training.balance import Pace, balanced
from hasten.training.local_steps import CommonWeights
from hasten.training.loss import Loss
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, epoch_samples, training_of
from hasten.training.reduction import of_all
from hasten.training.step import accumulate

if TYPE_CHECKING:
    from hasten.training.session import Session


def among(recipe: Recipe, processes: Processes) -> Recipe:
    """Return the recipe that knows of the processes, as techniques need it; `in_processes` makes it the final one."""
    bare = None if recipe.bare is None else among(recipe.bare, processes)
    return replace(recipe, parallel=replace(recipe.parallel, processes=processes), bare=bare)


def in_processes(recipe: Recipe) -> Recipe:
    """Return the final recipe of this process among those it knows of. The batches stay those of one process.

    Raises:
        BadInput: if the training cannot be shared.
    """
    processes = recipe.parallel.processes
    assert processes is not None, "`among` tells a recipe of them"
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
    if not processes.own_size(size):
        raise BadInput(f"a batch of {size} samples has none for process {processes.rank} of {processes.size}.")
    if (why := _waits_for_ever(recipe, processes)) is not None:
        raise BadInput(why)
    loader = train.loader if recipe.input.loader is whole else recipe.input.loader
    return recipe.with_input(loader=loader)


def _waits_for_ever(recipe: Recipe, processes: Processes) -> str | None:
    """Return why processes would wait in torch's `SyncBatchNorm` for one whose share is empty, or None.

    A process without samples makes no pass, so that it never comes to the layer in which the others gather statistics.
    """
    size, samples = recipe.input.batch_size, epoch_samples(recipe)
    last = 0 if samples is None else samples % size
    if not last or all(processes.sizes(last, size)):
        return None
    layers = replace(recipe, model=()).subject.model().named_modules()  # as it is before it is divided over processes
    name = next((name for name, one in layers if isinstance(one, nn.SyncBatchNorm)), None)
    if name is None:
        return None
    return (
        f"the layer {name!r} is torch's SyncBatchNorm, where all processes would wait for those that have no sample: "
        f"the last batch of an epoch has {last} for {processes.num_shares} shares. Use nn.BatchNorm with the technique "
        "sync_batch_norm in the plan, or leave that batch out (a DataLoader with drop_last=True)."
    )


def synchronized(run: "Session", processes: Processes, done: list[Loss]) -> bool:
    """Return whether the processes have the same weights; where each makes steps on its own, synchronize if it is due.

    The losses of the steps since the last synchronization, the newest in `done`, then become those of whole batches.
    """
    if not isinstance(run.kept, CommonWeights):
        return True
    local, step = run.kept.local, run.position.step
    if not local.due(step, run.recipe.subject.planned_steps):
        return False
    own = done[-local.since_last(step) :]
    whole = of_all(own, processes, run.recipe.parallel.device)
    done[-len(own) :] = whole
    trained, by_all = (sum(float(loss.count) for loss in losses) for losses in (own, whole))
    run.kept.synchronize(processes, trained / by_all if by_all else 0.0)
    return True


def agree(run: "Session", processes: Processes) -> SharesChanged | None:
    """Give every process the time of process 0 and the signal that any of them got, so that all end in one step.

    What each took in a measured step is exchanged, too; the shares of the coming steps follow from it in all of them.

    Returns:
        The shares, where they changed.
    """
    elapsed_s, number, own_s = run.position.elapsed_s, run.interrupted_by, run.pace.own_s
    own = [elapsed_s if processes.rank == 0 else 0.0, float(number is not None), float(number or 0)]
    if own_s is not None:
        own += [own_s if rank == processes.rank else 0.0 for rank in range(processes.size)]
    run.position.elapsed_s, interrupted, numbers, *seconds = processes.totals(own, run.recipe.parallel.device)
    if interrupted:
        run.interrupted_by = round(numbers / interrupted)
    if seconds:
        run.pace.seconds.append(seconds)
        run.pace.own_s = None
    balance = run.recipe.parallel.balance
    return None if balance is None or not balance.looks(run.position.step) else _balance(run, processes)


def _balance(run: "Session", processes: Processes) -> SharesChanged | None:
    """Let each process compute what its speed is worth from the next step on, where much is gained by it."""
    seconds, size = run.pace.per_step(), run.recipe.input.batch_size
    run.pace = Pace()
    if seconds is None:
        return None
    before = processes.sizes(size, size)
    samples = balanced(before, seconds)
    if samples == before:
        return None
    run.processes = replace(processes, shares=tuple(map(float, samples)))
    sample_s = tuple(second / number for second, number in zip(seconds, before, strict=True))
    return SharesChanged(step=run.position.step, samples=tuple(samples), sample_s=sample_s)
