"""What to say about the data before a training starts: what a plan replaces, and what cannot resume exactly."""

from hasten.data.loading.given import Samples, why_resume_differs
from hasten.data.loading.given_loader import GivenOrder
from hasten.training.recipe import Recipe, training_of


def data_notes(recipe: Recipe, *, saved: bool) -> tuple[str, ...]:
    """Return what to know about the data of a run, one sentence each.

    Args:
        recipe: the plan applied to the task.
        saved: whether the run keeps checkpoints.
    """
    train, ours, notes = training_of(recipe.task), recipe.input, list[str]()
    who = "the plan or Task.uses" if recipe.uses else "the plan"
    if saved and (reason := why_resume_differs(train)) is not None:
        notes.append(f"if this run is interrupted and resumed, it will see other batches: {reason}.")
    if isinstance(train, Samples) and train.given is not None:
        if ours.loader != train.loader:
            workers = train.given.num_workers
            read = f"{workers} worker{'s' * (workers > 1)}" if workers else "reading in the training process"
            notes.append(f"{who} replaces your DataLoader's {read}; the samples of each batch stay the same.")
        if not isinstance(ours.order, GivenOrder):
            notes.append(f"{who} replaces your DataLoader's {type(train.given.sampler).__name__}.")
        if ours.batch_size != train.batch_size:
            notes.append(f"{who} replaces your DataLoader's batch size {train.batch_size} by {ours.batch_size}.")
    return tuple(notes)
