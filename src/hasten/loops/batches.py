"""The batches of somebody's loader, fetched and changed as a recipe says."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from hasten.base.seeds import derive, preserved
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import Batch, changed_in_turn, to_device
from hasten.data.loading.ahead import made_ahead
from hasten.data.loading.given_loader import GivenOrder
from hasten.data.loading.loaders import Fetched, of_epoch
from hasten.loops.given import samples_of
from hasten.training.recipe import Recipe


def reads_samples(recipe: Recipe, plain: Recipe) -> bool:
    """Return whether a recipe reads the samples itself and does not take the batches as the loader makes them."""
    ours, theirs = recipe.input, plain.input
    return ours.loader != theirs.loader or ours.order is not theirs.order or bool(ours.augment)


def changes_source(recipe: Recipe, plain: Recipe) -> bool:
    """Return whether a recipe changes where batches come from, or changes them by where the run stands."""
    ours, theirs = recipe.input, plain.input
    return reads_samples(recipe, plain) or bool(ours.curriculum or ours.ahead) or ours.sampling is not theirs.sampling


def changes_input(recipe: Recipe, plain: Recipe) -> bool:
    """Return whether batches are fetched or changed otherwise than by the loader of the loop."""
    return changes_source(recipe, plain) or bool(recipe.input.batch_transforms)


class Batches:
    """An iterable of the batches of a loader, with what a recipe changes; other attributes are those of the loader.

    Where the recipe reads the samples itself, they come in the order that the loader's own sampler draws, from the same
    random numbers, unless the recipe has an order of its own.

    Args:
        loader: of the loop.
        recipe: with the plan.
        plain: without it.
        progress: returns the share of the run that is done.
        move: whether batches go to the recipe's device.
    """

    def __init__(
        self, loader: Iterable[Any], recipe: Recipe, plain: Recipe, *, progress: Callable[[], float], move: bool
    ) -> None:
        self.loader, self.recipe, self.plain = loader, recipe, plain
        self._progress, self._move, self._epoch = progress, move, 0

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name == "loader":
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __iter__(self) -> Iterator[Any]:
        ours, epoch = self.recipe.input, self._epoch
        self._epoch += 1

        def make(fetched: Fetched) -> Batch:
            ids, batch = fetched
            batch = to_device(batch, ours_device) if self._move else batch
            if ours.augment:
                batch = augmented(batch, ours.augment, Draws(self.recipe.subject.seed, epoch, ids))
            return changed_in_turn(batch, ours.batch_transforms)

        ours_device = self.recipe.parallel.device
        fetched = self._fetched(epoch)
        if ours.ahead:
            fetched = made_ahead(fetched, make, depth=ours.ahead, device=ours_device)
        for ids, batch in fetched:
            made = batch if ours.ahead else make((ids, batch))
            for change in ours.curriculum:
                made = change(made, self._progress())
            yield made

    def _fetched(self, epoch: int) -> Iterator[Fetched]:
        loader = samples_of(self.loader)
        if loader is None or not reads_samples(self.recipe, self.plain):
            none = torch.empty(0, dtype=torch.int64)
            return ((none, batch) for batch in self.loader)
        ids, seed = sampled_ids(loader), self.recipe.subject.seed
        if self.recipe.input.order is not self.plain.input.order:  # refused where the sampler leaves samples out
            ids = self.recipe.input.order(len(loader.dataset), seed=seed, epoch=epoch)[: len(ids)]  # type: ignore[arg-type]
        assert loader.batch_size is not None, "`samples_of` returns only loaders with one"
        fetch = of_epoch(self.recipe.input.loader(loader.dataset, loader.batch_size), derive(seed, "samples", epoch))
        restore = _structure(loader)
        return ((used, restore(batch)) for used, batch in fetch(ids))


def sampled_ids(loader: "DataLoader[Any]") -> Tensor:
    """Return the sample ids of an epoch of a loader, (n,) int64, drawing the random numbers that iterating it draws."""
    ids = GivenOrder(loader).draw(None).ids
    assert loader.batch_size is not None, "`samples_of` returns only loaders with one"
    return ids[: len(ids) // loader.batch_size * loader.batch_size] if loader.drop_last else ids


def _structure(loader: "DataLoader[Any]") -> Callable[[Batch], Any]:
    """Return what gives a batch the type that the loader's own have: a list where samples are tuples."""
    with preserved():
        dataset: Any = loader.dataset
        kind = type(default_collate([dataset[0]]))
    return list if kind is list else (lambda batch: batch)
