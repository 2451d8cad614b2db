"""What techniques ask of the loader and the randomness of a recipe's samples."""

import torch

from hasten.base.seeds import preserved, seed_all
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.loading.loaders import per_sample
from hasten.data.loading.sample_randomness import drawn_from, seeding_controls
from hasten.training.recipe import Recipe

_TRIAL = 2  # samples
RANDOM = "the samples draw random numbers, which threads would draw in an order of chance: use loader_workers"
GLOBAL = "the batches draw from the global random generators, as dropout does: their order would be chance"


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
    for dataset in recipe.subject.datasets():
        if not seeding_controls(dataset):
            return f"a sample of the {type(dataset).__name__} differs when it is read again from the same random seeds"
    return None


def draws_from_global_generators(recipe: Recipe) -> bool:
    """Return whether making a batch in a thread of this process moves a generator that the model draws from."""
    if recipe.input.loader is per_sample and samples_are_random(recipe):
        return True
    if any(getattr(change, "uses_global_generators", False) for change in recipe.input.augment):
        return True  # it puts them back afterwards, which others would notice meanwhile
    with preserved():
        seed_all(0)
        ids, batch = next(iter(per_sample(recipe.subject.train_data(), _TRIAL)(torch.arange(_TRIAL))))
        before = torch.get_rng_state()
        batch = augmented(batch, recipe.input.augment, Draws(0, 0, ids))
        for prepare in recipe.input.batch_transforms:
            batch = prepare(batch)
        return not torch.equal(before, torch.get_rng_state())
