"""How the validation data of a session are read, and which part of them a process judges."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from hasten.data.batch import Batch
from hasten.data.loading.given import checked_length, in_own_order
from hasten.data.loading.loaders import Fetch, whole
from hasten.data.loading.order import sequential
from hasten.data.loading.streams import Stream
from hasten.training.recipe import Recipe, training_of, validation_of

Validation: TypeAlias = Callable[[], Iterator[Batch]]
"""Returns one pass over the validation data."""


@dataclass(frozen=True)
class ValidationByIds:
    """Validation batches that are read by the ids of their samples; `shared`: other processes read the others."""

    fetch: Fetch
    ids: Tensor
    shared: bool = False

    def __call__(self) -> Iterator[Batch]:
        return (batch for _, batch in self.fetch(self.ids))


def validation_reader(recipe: Recipe) -> Validation | None:
    """Return how validation batches are read: by the recipe's loader where they can, else as the person gave them.

    They are of the size that the person gave, or of what a training step holds. Of processes that train together each
    reads its part of them, if there is a batch for each; a sharded model needs all processes in each pass.
    """
    task, loader, processes = recipe.task, recipe.input.loader, recipe.parallel.processes
    given = validation_of(task)
    if given is None:
        return None
    by_ids = in_own_order(given)
    if isinstance(given, Stream):
        return given.batches_once
    if by_ids is None:
        assert given.given is not None, "only a DataLoader has an order of its own"
        return Stream(given.given, "it is read in its own order").batches_once
    size, train = task.valid_batch_size or by_ids.batch_size, training_of(task)
    if loader is whole:
        if size is None:
            size = checked_length(by_ids)
            return ValidationByIds(whole(by_ids.dataset, size), sequential(size))
        loader = by_ids.loader
    elif isinstance(train, Stream) or loader == train.loader or by_ids.collate is not train.collate:
        loader = by_ids.loader
    size = size or recipe.backward.micro_batch or recipe.input.batch_size
    samples = checked_length(by_ids)
    samples = samples // size * size if by_ids.drop_last else samples
    fetch, batches = loader(by_ids.dataset, size), sequential(samples).split(size)
    if processes is not None and len(batches) >= processes.size and not recipe.parallel.sharded:
        return ValidationByIds(fetch, torch.cat(batches[processes.rank :: processes.size]), shared=True)
    return ValidationByIds(fetch, sequential(samples))


def spread(validation: Validation, most: int) -> Iterator[Batch]:
    """Return the batches of `most` samples from all over the validation data, which may be in the order of classes."""
    if isinstance(validation, ValidationByIds):
        ids = validation.ids
        return replace(validation, ids=ids[:: max(1, -(-len(ids) // most))])()
    return validation()
