"""Start with short sequences or small images and grow to the full size.

What it does
    `progressive_length` cuts the sequences of the first part of the run to a share of their length that rises in
    steps; `progressive_resolution` shrinks images likewise. Validation always sees the full size.

Why it helps
    A step on half the length or half the side costs a half or a quarter, and early training learns what does not need
    the whole anyway.

When it hurts
    Compiled code and cached kernels are made anew for every size. Very short sequences, and models whose head depends
    on the size of the image, do not work. Tokens that are cut off are not seen in that epoch.

Numerics
    Other data in the first part of the run.

Known problems
    Losses of the first part are those of an easier or harder problem: compare validation losses only.

Source
    Li et al., 2022, arXiv:2108.06084 (length); Howard, 2018, DAWNBench (resolution; as in MosaicML's Composer).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import Batch, first_input, has_target, map_tensors, target_of
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

LEVELS = 4
"""Sizes that a growing input goes through: each is a new shape to the compiler and to kernel caches."""


def size_at(progress: float, *, full: int, first: float, until: float, multiple: int) -> int:
    """Return the size at a share of the run: `first` x full at the start, full from `until` on, in equal levels."""
    if progress >= until:
        return full
    level = int(LEVELS * progress / until)
    share = first + (1 - first) * level / LEVELS
    return min(full, max(multiple, round(full * share / multiple) * multiple))


def shortened(batch: Batch, progress: float, *, first: float, until: float) -> Batch:
    """Return the batch with every column of sequences cut to the length of this part of the run.

    Sequences are columns of the same length in their second dimension as the target.
    """
    full = target_of(batch).shape[1]
    length = size_at(progress, full=full, first=first, until=until, multiple=8 if full >= 32 else 1)
    return map_tensors(batch, lambda one: one[:, :length] if one.ndim > 1 and one.shape[1] == full else one)


def shrunk(batch: Batch, progress: float, *, first: float, until: float) -> Batch:
    """Return the batch with every column of images, (samples, channels, height, width), at this part's resolution."""

    def smaller(image: torch.Tensor) -> torch.Tensor:
        sides = [
            size_at(progress, full=side, first=first, until=until, multiple=4 if side >= 16 else 1)
            for side in image.shape[2:]
        ]
        if sides == list(image.shape[2:]):
            return image
        return F.interpolate(image, sides, mode="bilinear", align_corners=False, antialias=True)

    return map_tensors(batch, lambda one: smaller(one) if one.ndim == 4 and one.is_floating_point() else one)


def why_not(recipe: Recipe, cut: Callable[[Batch, float], Batch]) -> str | None:
    """Return why the model does not take the smallest input, or None; runs it once on one sample."""
    if not recipe.subject.has_length:
        return "needs a run with a known length (epochs, steps or seconds)"
    sample = recipe.subject.raw_batch(1)
    for prepare in recipe.input.batch_transforms:
        sample = prepare(sample)
    model: nn.Module = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        small = cut(sample, 0.0)
        try:
            recipe.forward.loss(recipe.forward.predict(model, small), small)
        except (RuntimeError, ValueError) as error:
            return f"the model does not take the smaller input ({str(error).splitlines()[0]})"
    return None


@dataclass(frozen=True)
class ProgressiveLength:
    """Start with short sequences."""

    first: Annotated[float, Meta(gt=0, lt=1, description="length at the start, as a share")] = 0.25
    until: Annotated[float, Meta(gt=0, le=1, description="share of the run in which the length grows")] = 0.3

    card: ClassVar[Card] = Card(
        name="progressive_length",
        stage=Stage.INPUT,
        guarantee=Guarantee.MODEL,
        idea="start with short sequences and grow to the full length",
        source="Li et al., 2022, arXiv:2108.06084",
        treats=("slow_convergence",),
        needs=("a target for every position of a sequence",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse data without sequences, and models that need the full length."""
        batch = recipe.subject.raw_batch(1)
        target = target_of(batch) if has_target(batch) else None
        shape = first_input(batch).shape[1:]
        if (
            not isinstance(target, Tensor)
            or target.ndim < 2
            or not shape
            or shape[0] != target.shape[1]
            or shape[0] < 4
        ):
            return "the data have no sequences with a target for each position"
        return why_not(recipe, partial(shortened, first=self.first, until=self.until))

    def apply(self, recipe: Recipe) -> Recipe:
        """Cut the training batches."""
        cut = partial(shortened, first=self.first, until=self.until)
        return recipe.with_curriculum(cut)

    def source(self, recipe: Recipe) -> Source:
        """Return the smaller training batches."""
        line = f"batch = shortened(batch, progress, first={self.first!r}, until={self.until!r})"
        return Source(copies=(shortened,), curriculum=line)


@dataclass(frozen=True)
class ProgressiveResolution:
    """Start with small images."""

    first: Annotated[float, Meta(gt=0, lt=1, description="side at the start, as a share")] = 0.5
    until: Annotated[float, Meta(gt=0, le=1, description="share of the run in which the side grows")] = 0.5

    card: ClassVar[Card] = Card(
        name="progressive_resolution",
        stage=Stage.INPUT,
        guarantee=Guarantee.MODEL,
        idea="start with small images and grow to the full size",
        source="Howard, 2018, DAWNBench; MosaicML Composer",
        treats=("slow_convergence",),
        needs=("a model that takes images of any size",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse data without images, and models that need the full size."""
        image = first_input(recipe.subject.raw_batch(1))
        if image.ndim != 4 or not image.is_floating_point():
            return "the data have no images (channels, height, width) of floating-point numbers"
        return why_not(recipe, partial(shrunk, first=self.first, until=self.until))

    def apply(self, recipe: Recipe) -> Recipe:
        """Shrink the training batches."""
        cut = partial(shrunk, first=self.first, until=self.until)
        return recipe.with_curriculum(cut)

    def source(self, recipe: Recipe) -> Source:
        """Return the smaller training batches."""
        line = f"batch = shrunk(batch, progress, first={self.first!r}, until={self.until!r})"
        return Source(copies=(shrunk,), curriculum=line)
