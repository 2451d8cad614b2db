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
    Batch norm would see the statistics of a part instead of the batch, and a contrastive loss only the pairs in it:
    such models and losses are refused, after the gradients of eight samples, whole and in parts, were compared.

Source
    Ott et al., 2018, arXiv:1806.00187, section 3. The weighting by terms: see pytorch and transformers issue 34198
    for what goes wrong without it.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta

from hasten.base.errors import error_text
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import unsplittable
from hasten.techniques.dry_run import layer_of
from hasten.techniques.example_pass import Pass, dropout_off, far_off, passes
from hasten.techniques.source import Source
from hasten.training.inspection import silence_dropout
from hasten.training.recipe import Recipe, counted

SAMPLES, PART = 8, 3
"""The batch that is tried, and its parts: of unequal size, so that a wrong weight shows."""


def why_not_in_parts(recipe: Recipe) -> str | None:
    """Return why the gradient of a batch is not the sum of those of its parts, or None; tries it on eight samples.

    Dropout is off: parts draw other masks, which is no error. Gradients and floating-point buffers may differ by
    rounding.
    """
    samples = min(SAMPLES, recipe.input.batch_size)
    part = min(PART, samples - 1)

    def tried(size: int | None, seed: int = 0) -> Pass:
        model = silence_dropout(recipe.subject.fresh_model())
        return passes(model, recipe, samples=samples, count=1, size=size, seed=seed)[0]

    with dropout_off():
        whole = tried(None)
        try:
            parts = tried(part)
        except Exception as error:  # noqa: BLE001  (the model is the person's: anything may be raised)
            layer = layer_of(error)
            where = f" in the layer {layer!r}" if layer else ""
            return f"a part of {part} of {samples} samples failed{where}: {error_text(error)}"
        if far_off(whole.gradients, tried(None, seed=1).gradients) is not None:
            return "the model draws random numbers other than dropout, and parts of a batch would draw others"
    for name, value in whole.buffers.items():
        other = parts.buffers[name]
        if not (
            torch.equal(value, other)
            or (value.is_floating_point() and torch.allclose(value, other, rtol=1e-5, atol=1e-7))
        ):
            return f"the buffer {name!r} differs after {samples} samples in parts: its layer depends on the whole batch"
    off = far_off(whole.gradients, parts.gradients)
    if off is not None:
        return (
            f"the gradient of {off[0]!r} is off by {off[1]:.1e} of its size when {samples} samples are computed in "
            "parts: the model or the loss looks at the batch as a whole"
        )
    return None


@dataclass(frozen=True)
class MicroBatch:
    """Accumulate the gradient of a batch over parts of at most `size` samples (0: a quarter of the batch)."""

    size: Annotated[int, Meta(ge=0, description="samples per part; 0 for a quarter of the batch")] = 0

    card: ClassVar[Card] = Card(
        name="micro_batch",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.ROUNDING,
        idea="micro-batches: accumulate the gradient of a batch over smaller parts to save memory",
        source="Ott et al., 2018, arXiv:1806.00187",
        treats=("near_memory_limit",),
        needs=("a model and a loss that treat each sample by itself (no batch norm, no contrastive loss)",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse batches that cannot be split, and models and losses for which parts do not add up to the whole."""
        if self._size(recipe) >= recipe.input.batch_size:
            return f"a batch of {recipe.input.batch_size} has no parts of {self._size(recipe)}"
        if (reason := unsplittable(recipe.subject.batch())) is not None:
            return f"{reason}: such a batch cannot be split"
        recipe = counted(recipe)
        counting = getattr(recipe.forward.loss, "counting", None)
        if counting is not None and counting.broken:
            return counting.broken
        return why_not_in_parts(recipe)

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the size of the parts."""
        return counted(recipe).with_backward(micro_batch=self._size(recipe))

    def _size(self, recipe: Recipe) -> int:
        return self.size or max(1, recipe.input.batch_size // 4)

    def source(self, recipe: Recipe) -> Source:
        """Return no lines: the script computes the batch in parts."""
        return Source(at="parts")
