"""Accumulate the gradient of a batch over smaller parts of it.

What it does
    Splits each batch into parts of at most `size` samples, runs forward and backward on each, adds up the gradients,
    and updates once. Parts are weighted by their number of loss terms, so parts of unequal size are right too.

Why it helps
    Memory: only the activations of one part are alive at a time. Sometimes time: parts that fit the cache are faster.

When it hurts
    Parts too small to keep the hardware busy.

Numerics
    The gradient of the whole batch, summed in another order. It does not prevent vanishing gradients, as is sometimes
    said: it computes the same gradient with less memory.

Known problems
    Batch normalization would see the statistics of a part instead of the batch: such models are refused.

Source
    Ott et al., 2018, arXiv:1806.00187, section 3. The weighting by terms: see pytorch and transformers issue 34198
    for what goes wrong without it.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta
from torch.nn.modules.batchnorm import _BatchNorm

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.training.inspection import example_model
from hasten.training.recipe import Recipe


@dataclass(frozen=True)
class MicroBatch:
    """Accumulate the gradient of a batch over parts of at most `size` samples (0: a quarter of the batch)."""

    size: Annotated[int, Meta(ge=0, description="samples per part; 0 for a quarter of the batch")] = 0

    card: ClassVar[Card] = Card(
        name="micro_batch",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.ROUNDING,
        idea="accumulate the gradient of a batch over smaller parts, to save memory",
        source="Ott et al., 2018, arXiv:1806.00187",
        treats=("near_memory_limit",),
        needs=("a model whose samples do not see each other (no batch normalization)",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models whose samples see each other, and batches that cannot be split."""
        if self._size(recipe) >= recipe.input.batch_size:
            return f"a batch of {recipe.input.batch_size} has no parts of {self._size(recipe)}"
        for name, module in example_model(recipe).named_modules():
            if isinstance(module, _BatchNorm):
                return f"the layer {name!r} normalizes over the batch, and would see only a part of it"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the size of the parts."""
        return recipe.with_backward(micro_batch=self._size(recipe))

    def _size(self, recipe: Recipe) -> int:
        return self.size or max(1, recipe.input.batch_size // 4)
