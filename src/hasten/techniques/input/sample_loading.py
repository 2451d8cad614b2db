"""What techniques ask of the loader and the randomness of a recipe's samples."""

import torch
from torch.utils.data import default_collate

from hasten.base.object_state import ObjectState, Tensors, equal_states
from hasten.base.seeds import preserved, random_state, seed_all
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import Batch, changed_in_turn
from hasten.data.loading.gather import why_not
from hasten.data.loading.given_loader import GivenLoader
from hasten.data.loading.loaders import Collated, gathered, per_sample
from hasten.data.loading.sample_randomness import changed_by_reading, drawn_from, seeding_controls
from hasten.data.loading.streams import samples_in
from hasten.data.loading.workers import Workers
from hasten.training.recipe import Recipe

_TRIAL = 2  # samples
RANDOM = "the samples draw random numbers, and with threads the order of the draws is not fixed: use loader_workers"
RANDOM_AHEAD = "the samples draw random numbers, and a thread would draw them while the step does: use loader_workers"
GLOBAL = "the batches draw from the global random generators, as dropout does: their order would not be fixed"


def no_own_loader(recipe: Recipe) -> str | None:
    """Return why there is no loader of the task's own to replace, or None if there is one."""
    if (stream := recipe.subject.stream) is not None:
        return f"{stream.reason}, so samples cannot be read by their ids"
    if recipe.input.loader == recipe.subject.reader:
        return None
    return "the batches do not come from the per-sample loader (a full batch is built only once)"


def cannot_gather(recipe: Recipe) -> str | None:
    """Return why batches cannot be gathered in one operation per column, or None if they can."""
    if recipe.subject.collate is not default_collate:
        return "the task's own collate function makes batches of single samples"
    return next((reason for dataset in recipe.subject.datasets() if (reason := why_not(dataset))), None)


def samples_are_random(recipe: Recipe) -> bool:
    """Return whether reading and collating training or validation samples draws random numbers."""
    return any(drawn_from(dataset, recipe.subject.collate) for dataset in recipe.subject.datasets())


def cannot_be_seeded(recipe: Recipe) -> str | None:
    """Return why samples cannot be read in another process and stay what they are, or None."""
    if recipe.subject.given is not None and samples_are_random(recipe):
        return "the samples draw random numbers, and another loader than your DataLoader would draw other ones"
    if reason := changes_its_data(recipe):
        return reason
    for dataset in recipe.subject.datasets():
        if not seeding_controls(dataset, recipe.subject.collate):
            return f"a sample of the {type(dataset).__name__} differs when it is read again from the same random seeds"
    return None


def changes_its_data(recipe: Recipe) -> str | None:
    """Return why the order and the process in which training samples are read matter, or None."""
    if changed := changed_by_reading(recipe.subject.train_data()):
        return f"reading samples changes {', '.join(changed)}: the samples depend on those that were read before"
    return None


def cannot_be_made_ahead(recipe: Recipe) -> str | None:
    """Return why batches cannot be made in a thread of this process before the step asks for them, or None."""
    ours, subject = recipe.input, recipe.subject
    if (stream := subject.stream) is not None:
        if stream.steps is not None or stream.has_state:
            return "reading ahead would move the position of a stream past the batches that steps have used"
        if stream.draws_globally():
            return GLOBAL
    in_processes = isinstance(ours.loader, Workers) or (
        isinstance(ours.loader, GivenLoader) and ours.loader.loader.num_workers > 0
    )
    if stream is None and not in_processes and samples_are_random(recipe):
        return RANDOM_AHEAD
    if any(getattr(change, "uses_global_generators", False) for change in ours.augment):
        return GLOBAL  # it puts them back afterwards, which others would notice meanwhile
    parts: dict[str, object] = {"augment": ours.augment, "batch transforms": ours.batch_transforms}
    if stream is None and not in_processes:
        parts["training data"] = subject.train_data()

    def make_batch() -> None:
        batch = _read(recipe)
        ids = torch.arange(samples_in(batch))
        changed_in_turn(augmented(batch, ours.augment, Draws(0, 0, ids)), ours.batch_transforms)

    with preserved():
        seed_all(0)
        before = random_state()
        changed = ObjectState({name: (part, Tensors.NONE) for name, part in parts.items()}).changed_by(make_batch)
        if not equal_states(before, random_state()):
            return GLOBAL
    if changed:
        return f"making a batch changes {', '.join(changed)}: a checkpoint would hold the state of a later batch"
    return None


def _read(recipe: Recipe) -> Batch:
    """Return a few samples, read anew where they are read by their ids."""
    subject = recipe.subject
    if subject.stream is not None:
        return subject.raw_batch(_TRIAL)
    data = subject.train_data()
    gathers = recipe.input.loader is not per_sample and cannot_gather(recipe) is None
    read = gathered if gathers else Collated(subject.collate)
    _, batch = next(iter(read(data, _TRIAL)(torch.arange(_TRIAL))))
    return batch
