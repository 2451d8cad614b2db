"""A training that runs out of memory goes on in smaller parts of each batch: the same gradients in less memory."""

import gc
from collections.abc import Callable
from pathlib import Path

import msgspec

from hasten.base.device import initialized
from hasten.base.errors import BadInput, Refused, TrainingFailed
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.base.stages import Stage
from hasten.profiling.best_effort import out_of_memory
from hasten.techniques.applying import apply_all, apply_plan, make
from hasten.techniques.in_parts import parts_of, with_parts
from hasten.techniques.registry import technique
from hasten.training.checkpoint import is_saved
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, own_batch_size
from hasten.training.restarts import ask_for_less, samples_at_once
from hasten.training.run_folder import keep_until
from hasten.training.running import Trained
from hasten.training.saving import Show

Train = Callable[[Recipe, bool], Trained]
"""(recipe, whether to resume) -> the training from its begin or its newest checkpoint to its end."""


def train_in_memory(
    recipe: Recipe,
    plan: Plan,
    plain: Recipe,
    machine: Machine,
    *,
    train: Train,
    folder: Path | None,
    resume: bool,
    show: Show,
) -> Trained:
    """Train; where the memory is not enough, go on from the newest checkpoint with half as many samples at once.

    Args:
        recipe: the plan applied to `plain`.
        plan: what the recipe came from. The run keeps it: parts change nothing that is trained.
        plain: the baseline.
        machine: to apply the plan on.
        train: makes the training of a recipe.
        folder: of the run.
        resume: whether the training begins with the checkpoint of the folder.
        show: called with a note when the parts become smaller.

    Raises:
        TrainingFailed: as `run_training`. Where the memory is not enough and a batch cannot be computed in parts, the
            message says why, and what would fit.
    """
    while True:
        try:
            return train(recipe, resume)
        except TrainingFailed as error:
            if error.__cause__ is None or not out_of_memory(error.__cause__):
                raise
            smaller = _in_smaller_parts(recipe, plan, plain, machine, str(error))
            told = str(error)
        # The error is gone, and with it the session that its traceback held.
        gc.collect()
        if (device := initialized()) is not None:
            device.empty_cache()
        recipe = smaller
        resume = folder is not None and is_saved(folder)
        if folder is not None and not resume:
            keep_until(folder, 0, evaluation_pending=False)
        size, how = recipe.backward.micro_batch or 0, "resuming" if resume else "starting again"
        show(
            Note(
                text=f"{told} It was out of memory: {how} with {size} samples at once, whose gradients add up to "
                f"those of the batch. To begin with it, add {parts_of(size).label} to the plan."
            )
        )


def train_together_in_memory(
    recipe: Recipe, plan: Plan, plain: Recipe, machine: Machine, *, train: Callable[[], Trained], folder: Path | None
) -> Trained:
    """Train as one of several processes; where the memory is not enough, ask for all to be started with less.

    The other processes wait for this one in a collective that it cannot make any more, so that all of them have to be
    started again. `hasten train --processes` does it, and `torchrun` with `--max-restarts`; they go on from the newest
    checkpoint by `in_what_fits`.

    Args:
        recipe: the plan applied to `plain`.
        plan: what the recipe came from.
        plain: the baseline of one process: what is tried with it waits for no other.
        machine: to apply the plan on.
        train: makes the training.
        folder: of the run, the same in all processes; None for one that keeps nothing.

    Raises:
        TrainingFailed: as `run_training`. Where the memory is not enough, the message says what would fit.
    """
    try:
        return train()
    except TrainingFailed as error:
        if error.__cause__ is None or not out_of_memory(error.__cause__):
            raise
        alone = tuple(one for one in plan.choices if technique(one.technique).card.stage is not Stage.PARALLEL)
        of_one = msgspec.structs.replace(plan, choices=alone)
        size = _in_smaller_parts(recipe, of_one, plain, machine, str(error)).backward.micro_batch or 0
        lacks = f"{error} Out of memory with {_at_once(recipe)} samples at once."
        processes = recipe.parallel.processes
        assert processes is not None, "one of several"
        if why := _why_no_parts(plan, size, plain, processes, machine):
            raise TrainingFailed(f"{lacks} Half as many need parts of each batch, which are refused: {why}.") from error
        if folder is None:
            raise TrainingFailed(f"{lacks} Add {parts_of(size).label} to the plan: the same gradients.") from error
        why = f"process {processes.rank} ran out of memory; now {size} samples at once, the same gradients"
        ask_for_less(folder, size, why)
        raise TrainingFailed(
            f"{lacks} Started again, all processes go on with {size}; else resume {folder}, or add "
            f"{parts_of(size).label} to the plan."
        ) from error


def in_what_fits(
    plan: Plan, folder: Path | None, plain: Recipe, processes: Processes, machine: Machine, show: Show
) -> Plan:
    """Return the plan with parts of each batch that fit, where the processes of a run have noted that more do not.

    A run that is resumed may have another plan than the one that ran out of memory, or another number of processes.
    Where that refuses parts, the plan stays as it is.

    Args:
        plan: to train by.
        folder: of the run; None for one that keeps nothing.
        plain: the baseline of one process.
        processes: that train together.
        machine: to apply the plan on.
        show: called with a note where parts are refused.
    """
    size = None if folder is None else samples_at_once(folder)
    if size is None:
        return plan
    if why := _why_no_parts(plan, size, plain, processes, machine):
        show(Note(text=f"the run ran out of memory before, but {size} samples at once are refused ({why}): it has all"))
        return plan
    return with_parts(plan, size)


def _why_no_parts(plan: Plan, size: int, plain: Recipe, processes: Processes, machine: Machine) -> str:
    """Return why processes cannot compute so many samples at once by a plan; nothing where they can. No collective."""
    try:
        chosen = [make(one.technique, one.knobs) for one in with_parts(plan, size).choices]
        apply_all(chosen, among(plain, processes), machine)
    except Refused as error:
        return error.reason
    except BadInput as error:
        return str(error).rstrip(".")
    return ""


def _at_once(recipe: Recipe) -> int:
    """Return how many samples a process computes at once at most."""
    return min(recipe.backward.micro_batch or own_batch_size(recipe), own_batch_size(recipe))


def _in_smaller_parts(recipe: Recipe, plan: Plan, plain: Recipe, machine: Machine, failed: str) -> Recipe:
    """Return the recipe that computes half as many samples at once.

    Raises:
        TrainingFailed: if it cannot.
    """
    at_once = _at_once(recipe)
    half = (at_once + 1) // 2
    if at_once == 1:
        raise TrainingFailed(f"{failed} One sample alone needs more memory than there is: use a smaller model.")
    try:
        return apply_plan(with_parts(plan, half), plain, machine)
    except Exception as why:
        if out_of_memory(why):
            reason = "there is not even memory to compare the gradient of a few samples with that of their parts"
        elif isinstance(why, BadInput | Refused):
            reason = (why.reason if isinstance(why, Refused) else str(why)).rstrip(".")
        else:
            raise
        raise TrainingFailed(
            f"{failed} Out of memory with {at_once} samples at once, and the batch cannot be computed in parts: "
            f"{reason}. A batch size of {half} needs about half the memory for activations."
        ) from why
