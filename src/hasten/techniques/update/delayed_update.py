"""Update once for several batches: the delayed update, or gradient accumulation across batches.

What it does
    Adds up the gradients of `batches` successive batches and updates once with their mean. That is the training with
    a batch so many times as large, computed in parts of the old size.

Why it helps
    A less noisy gradient and fewer updates, at the memory of a small batch; across machines, less communication.

When it hurts
    Where the batch was large enough already, the same number of samples now makes fewer steps of progress.

Numerics
    Another path: fewer, better averaged updates. The learning rate is multiplied by `lr_scale`.

Known problems
    Schedules and stop rules that count steps see fewer of them. Batch normalization keeps the small batch's statistics.

Source
    Ott et al., 2018, arXiv:1806.00187; learning rate scaling: Goyal et al., 2017, arXiv:1706.02677.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class DelayedUpdate:
    """Update once for `batches` batches."""

    batches: Annotated[int, Meta(ge=2, description="batches per update")] = 2
    lr_scale: Annotated[float, Meta(gt=0, description="factor on the learning rate")] = 1.0

    card: ClassVar[Card] = Card(
        name="delayed_update",
        stage=Stage.UPDATE,
        guarantee=Guarantee.TRAJECTORY,
        idea="one optimizer step for several batches (gradient accumulation)",
        source="Ott et al., 2018, arXiv:1806.00187",
        treats=("optimizer_heavy", "noise_dominated"),
        conflicts=("micro_batch",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse full batches, which have no successor in the epoch."""
        if recipe.subject.full_batch:
            return "the batch is the whole training set already"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Enlarge the batch and compute it in parts of the old size."""
        small = recipe.backward.micro_batch or recipe.input.batch_size
        rate = recipe.update.lr * self.lr_scale if recipe.update.lr is not None else None
        larger = recipe.with_input(batch_size=recipe.input.batch_size * self.batches)
        return larger.with_backward(micro_batch=small).with_update(lr=rate)

    def source(self, recipe: Recipe) -> Source:
        """Return no lines: the script has the larger batch, computed in parts."""
        return Source(at="parts")
