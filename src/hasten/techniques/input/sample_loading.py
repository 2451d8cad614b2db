"""What techniques ask of the loader and the randomness of a recipe's samples."""

import torch

from hasten.base.object_state import ObjectState, Tensors, equal_states
from hasten.base.seeds import preserved, random_state, seed_all
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import changed_in_turn
from hasten.data.loading.gather import why_not
from hasten.data.loading.loaders import gathered, per_sample
from hasten.data.loading.sample_randomness import changed_by_reading, drawn_from, seeding_controls
from hasten.data.loading.workers import Workers
from hasten.training.recipe import Recipe

_TRIAL = 2  # samples
RANDOM = "the samples draw random numbers, and with threads the order of the draws is not fixed: use loader_workers"
RANDOM_AHEAD = "the samples draw random numbers, and a thread would draw them while the step does: use loader_workers"
GLOBAL = "the batches draw from the global random generators, as dropout does: their order would not be fixed"


def no_own_loader(recipe: Recipe) -> str | None:
    """Return why there is no loader of the task's own to replace, or None if there is one."""
    if recipe.input.loader == recipe.subject.reader:
        return None
    return "the batches do not come from the per-sample loader (a full batch is built only once)"


def samples_are_random(recipe: Recipe) -> bool:
    """Return whether the training or validation samples draw random numbers."""
    return any(drawn_from(dataset) for dataset in recipe.subject.datasets())


def cannot_be_seeded(recipe: Recipe) -> str | None:
    """Return why samples cannot be read in another process and stay what they are, or None."""
    if reason := changes_its_data(recipe):
        return reason
    for dataset in recipe.subject.datasets():
        if not seeding_controls(dataset):
            return f"a sample of the {type(dataset).__name__} differs when it is read again from the same random seeds"
    return None


def changes_its_data(recipe: Recipe) -> str | None:
    """Return why the order and the process in which training samples are read matter, or None."""
    if changed := changed_by_reading(recipe.subject.train_data()):
        return f"reading samples changes {', '.join(changed)}: the samples depend on those that were read before"
    return None


def cannot_be_made_ahead(recipe: Recipe) -> str | None:
    """Return why batches cannot be made in a thread of this process before the step asks for them, or None."""
    ours, data = recipe.input, recipe.subject.train_data()
    in_processes = isinstance(ours.loader, Workers)
    if not in_processes and samples_are_random(recipe):
        return RANDOM_AHEAD
    if any(getattr(change, "uses_global_generators", False) for change in ours.augment):
        return GLOBAL  # it puts them back afterwards, which others would notice meanwhile
    parts: dict[str, object] = {"augment": ours.augment, "batch transforms": ours.batch_transforms}
    if not in_processes:
        parts["training data"] = data
    read = per_sample if ours.loader is per_sample or why_not(data) else gathered

    def make_batch() -> None:
        ids, batch = next(iter(read(data, _TRIAL)(torch.arange(_TRIAL))))
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
