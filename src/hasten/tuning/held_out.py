"""Whether a technique is judged by what it has not learned from: whole trainings believe the validation data."""

from collections.abc import Iterable
from itertools import islice

from hasten.base.units import percent
from hasten.data.batch import Batch
from hasten.diagnosis.data.samples import fingerprints, inputs_in
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.validation import spread

TRAINED, BATCHES = 512, 64
"""Samples of the first batches that are looked at, in so many batches at most."""
HELD_OUT = 4096
"""Validation samples that they are compared with, from all over them."""
SLACK = 0.02
"""Of those samples: how many more may be validation samples than in the training as it is."""


def why_judged_wrongly(candidate: Recipe, recipe: Recipe) -> str | None:
    """Return why the validation of a candidate says nothing of its quality, or None.

    It has to be validated as the baseline is, and its batches may hold no more validation samples than the baseline's.
    Samples are compared as they are read, before augmentation. It costs building both, where the input differs.
    """
    for what, ours, theirs in (
        ("the validation data", candidate.task.data.valid, recipe.task.data.valid),
        ("the function that validates", candidate.task.validate, recipe.task.validate),
        ("the metric", candidate.task.metric, recipe.task.metric),
    ):
        if ours is not theirs:
            return f"it replaces {what}, by which it would be judged"
    same_data = candidate.task.data.train is recipe.task.data.train
    if (candidate.input == recipe.input and same_data) or recipe.task.data.valid is None:
        return None
    run = build(recipe)
    assert run.validation is not None, "there are validation data"
    held_out = set(_prints(spread(run.validation, HELD_OUT)))
    usual, found = (_share_in(held_out, one) for one in (recipe, candidate))
    if found <= usual + SLACK:
        return None
    return (
        f"{percent(found)} of its training samples are validation samples, by which it would be judged "
        f"(without it {percent(usual)})"
    )


def _share_in(held_out: set[int], recipe: Recipe) -> float:
    """Return the share of the first training samples that are among these."""
    prints = list(islice(_prints(batch for _, batch in islice(build(recipe).fetched(), BATCHES)), TRAINED))
    return sum(one in held_out for one in prints) / max(len(prints), 1)


def _prints(batches: Iterable[Batch]) -> Iterable[int]:
    return (one for batch in batches for one in fingerprints(inputs_in(batch)))
