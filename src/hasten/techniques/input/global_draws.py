"""Whether samples depend on the random generators that the model draws from as well."""

import torch

from hasten.base.seeds import preserved, seed_all
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.loading.loaders import per_sample
from hasten.training.recipe import Recipe

_TRIAL = 2  # samples

REASON = "the samples draw from the global random generators, as dropout does: their order would be chance"


def fetching_draws(recipe: Recipe) -> bool:
    """Return whether two samples, fetched, move torch's global generator on."""
    with preserved():
        seed_all(0)
        before = torch.get_rng_state()
        next(per_sample(recipe.task.data.train, _TRIAL)(torch.arange(_TRIAL)))
        return not torch.equal(before, torch.get_rng_state())


def draws_from_global_generators(recipe: Recipe) -> bool:
    """Return whether two samples, fetched, augmented and prepared, move torch's global generator on."""
    if any(getattr(change, "uses_global_generators", False) for change in recipe.input.augment):
        return True  # it puts them back afterwards, which others would notice meanwhile
    with preserved():
        seed_all(0)
        before = torch.get_rng_state()
        ids, batch = next(per_sample(recipe.task.data.train, _TRIAL)(torch.arange(_TRIAL)))
        batch = augmented(batch, recipe.input.augment, Draws(0, 0, ids))
        for prepare in recipe.input.batch_transforms:
            batch = prepare(batch)
        return not torch.equal(before, torch.get_rng_state())
