"""Keep the whole data set in the memory of the GPU.

What it does
    Copies the data to the device once; each batch is a gather there. Augmentation runs there too.

Why it helps
    No batch crosses the bus, and the host does nothing for data.

When it hurts
    It takes the memory of the data set, at most `share` of what is free, which a larger batch may want.

Numerics
    The same batches in the same order: equal bit for bit.

Known problems
    Each process of a distributed run keeps a copy of its own.

Source
    Jordan, 2024, arXiv:2404.00498 (airbench).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.base.units import nbytes as in_bytes
from hasten.data.loading.loaders import whole
from hasten.data.loading.resident import nbytes_of, resident
from hasten.techniques.input.sample_loading import cannot_gather, changes_its_data
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class Resident:
    """Keep the data in the memory of the GPU."""

    share: Annotated[float, Meta(gt=0, lt=1, description="of the device's free memory that the data may take")] = 0.3

    card: ClassVar[Card] = Card(
        name="resident",
        stage=Stage.INPUT,
        guarantee=Guarantee.EXACT,
        idea="keep the whole data set in GPU memory",
        source="Jordan, 2024, arXiv:2404.00498",
        treats=("input_bound", "h2d_bound"),
        needs=("a GPU", "a data set whose samples can be gathered: tensors, or one with `take(ids)`"),
        after=("batched_gather",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse the CPU, data that cannot be gathered, and data that do not fit."""
        device = recipe.device
        if device.is_host:
            return f"the run is on {device}, the data is already in its memory"
        if recipe.input.loader is whole:
            return "a full batch is built only once"
        if (stream := recipe.subject.stream) is not None:
            return f"{stream.reason}, so samples cannot be read by their ids"
        if reason := cannot_gather(recipe) or changes_its_data(recipe):
            return reason
        needed, free = sum(map(nbytes_of, recipe.subject.datasets())), device.free_bytes()
        if needed > self.share * free:
            return f"the data take {in_bytes(needed)}, more than {self.share:.0%} of the {in_bytes(free)} free"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the resident loader in place."""
        loader = partial(resident, device=recipe.parallel.device)
        return recipe.with_input(loader=loader)
