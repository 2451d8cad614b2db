"""What techniques ask of the loader and the randomness of a recipe's samples."""

import torch
from torch.utils.data import default_collate

from hasten.base.seeds import preserved, seed_all
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.loading.gather import why_not
from hasten.data.loading.given_loader import GivenLoader
from hasten.data.loading.loaders import Collated, Loader, per_sample
from hasten.data.loading.sample_randomness import drawn_from, seeding_controls
from hasten.data.loading.streams import samples_in
from hasten.training.recipe import Recipe

_TRIAL = 2  # samples
RANDOM = "the samples draw random numbers, which threads would draw in an order of chance: use loader_workers"
GLOBAL = "the batches draw from the global random generators, as dropout does: their order would be chance"


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
    for dataset in recipe.subject.datasets():
        if not seeding_controls(dataset, recipe.subject.collate):
            return f"a sample of the {type(dataset).__name__} differs when it is read again from the same random seeds"
    return None


def draws_from_global_generators(recipe: Recipe) -> bool:
    """Return whether making a batch in a thread of this process moves a generator that the model draws from."""
    subject, loader = recipe.subject, recipe.input.loader
    if subject.stream is not None:
        if subject.stream.draws_globally():
            return True
    elif _reads_in_this_process(loader) and samples_are_random(recipe):
        return True
    if any(getattr(change, "uses_global_generators", False) for change in recipe.input.augment):
        return True  # it puts them back afterwards, which others would notice meanwhile
    with preserved():
        seed_all(0)
        batch = subject.raw_batch(_TRIAL)
        ids = torch.arange(samples_in(batch))
        before = torch.get_rng_state()
        batch = augmented(batch, recipe.input.augment, Draws(0, 0, ids))
        for prepare in recipe.input.batch_transforms:
            batch = prepare(batch)
        return not torch.equal(before, torch.get_rng_state())


def _reads_in_this_process(loader: Loader) -> bool:
    if isinstance(loader, GivenLoader):
        return not loader.loader.num_workers
    return loader is per_sample or isinstance(loader, Collated)
