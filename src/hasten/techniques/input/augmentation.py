"""Train on changed copies of the samples: shifted, mirrored, mixed, or with noise.

What it does
    Adds one kind of augmentation to the training batches: "shift_flip" and "shift" for images (shifted by up to an
    eighth, mirrored), "erase" (a random box), "trivial" (one random change of random strength; color images of uint8),
    "mixup" (weighted means of pairs; numbers of any shape), "noise" (a tenth of a standard deviation, for tables).

Why it helps
    A model that would learn the training samples by heart learns what they have in common instead: better on new data
    after the same training, or as good with fewer new samples.

When it hurts
    Trainings too short to learn by heart: there it is only harder. Changes that change the class, as mirrored letters.

Numerics
    Other training data. Validation is not augmented. Each change depends on (seed, epoch, sample) alone, so a resumed
    run makes the same ones.

Known problems
    The training loss is that of changed samples: compare validation losses only.

Source
    Shorten and Khoshgoftaar, 2019, doi:10.1186/s40537-019-0197-0 (a survey); Zhang et al., 2017, arXiv:1710.09412
    (mixup); Müller and Hutter, 2021, arXiv:2103.10158 (trivial).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from msgspec import Meta
from torch import Tensor

from hasten.base.errors import Refused
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.augmentation.draws import Augment
from hasten.data.augmentation.images import ChannelsFirst, Erase, Flip, PadCrop
from hasten.data.augmentation.mixing import MixUp
from hasten.data.augmentation.rows import AddNoise
from hasten.data.augmentation.trivial import TrivialAugment
from hasten.data.batch import Batch, first_input, target_of
from hasten.data.loading.loaders import whole
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

Kind = Literal["shift_flip", "shift", "erase", "trivial", "mixup", "noise"]
_LOOK = 2  # samples
_SMALLEST = 4  # pixels each way
_SHIFT = 8  # the side of an image over the most that it is shifted


def _channels_last(images: Tensor) -> bool:
    """Return whether the channels of images are the last dimension, as those of uint8 images of this package are."""
    return images.shape[3] in (1, 3) and images.shape[1] not in (1, 3)


def changes(kind: Kind, images: Tensor, classes: int | None) -> tuple[Augment, ...]:
    """Return the changes of a kind, for samples like `images`."""
    if kind == "mixup":
        return (MixUp(classes),)
    if kind == "noise":
        return (AddNoise(0.1),)
    last = _channels_last(images)
    height, width = images.shape[1:3] if last else images.shape[2:4]
    shift = PadCrop(max(1, min(height, width) // _SHIFT))
    made: tuple[Augment, ...] = {
        "shift_flip": (shift, Flip()),
        "shift": (shift,),
        "erase": (Erase(),),
        "trivial": (TrivialAugment(),),
    }[kind]
    return made if last else tuple(ChannelsFirst(change) for change in made)


def _classes(recipe: Recipe, batch: Batch) -> int | None:
    """Return how many classes a model tells apart whose target is one class per sample; None for other targets."""
    if target_of(batch).is_floating_point():
        return None
    for prepare in recipe.input.batch_transforms:
        batch = prepare(batch)
    model = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        return int(recipe.forward.predict(model, batch).shape[1])


@dataclass(frozen=True)
class Augmentation:
    """Train on changed copies of the samples."""

    kind: Annotated[Kind, Meta(description="what is done to the samples")] = "shift_flip"

    card: ClassVar[Card] = Card(
        name="augmentation",
        stage=Stage.INPUT,
        guarantee=Guarantee.TRAJECTORY,
        idea="data augmentation: shift, mirror, mix samples, or add noise",
        source="Shorten and Khoshgoftaar, 2019, doi:10.1186/s40537-019-0197-0",
        treats=("slow_convergence",),
        conflicts=("infobatch",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse tasks that augment already, full batches, and samples that the kind is not for."""
        if recipe.input.augment:
            return "the task augments its samples already"
        if recipe.input.loader is whole:
            return "a full batch is built only once and the same in every epoch"
        batch = recipe.subject.raw_batch(_LOOK)
        samples, target = first_input(batch), target_of(batch)
        shape = tuple(samples.shape[1:])
        if self.kind in ("mixup", "noise") and not samples.is_floating_point():
            return f"{self.kind} is for numbers with a fraction; the samples are {str(samples.dtype)[6:]}"
        if self.kind == "noise":
            return None if samples.ndim == 2 else f"noise is for tables; the samples have the shape {shape}"
        if self.kind == "mixup":
            one = isinstance(target, Tensor) and (target.ndim == 1 or target.is_floating_point())
            return None if one else "mixup needs one target for each sample"
        if samples.ndim != 4 or min(samples.shape[2], samples.shape[1 if _channels_last(samples) else 3]) < _SMALLEST:
            least = f"{_SMALLEST} x {_SMALLEST}"
            return f"{self.kind} is for images of at least {least}; the samples have the shape {shape}"
        color = samples.dtype == torch.uint8 and 3 in (samples.shape[1], samples.shape[3])
        if self.kind == "trivial" and not color:
            return "trivial is for color images of uint8, before they are normalized"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the changes."""
        batch = recipe.subject.raw_batch(_LOOK)
        made = changes(self.kind, first_input(batch), _classes(recipe, batch) if self.kind == "mixup" else None)
        return recipe.with_input(augment=(*recipe.input.augment, *made))

    def source(self, recipe: Recipe) -> Source:
        """Return the place of its comment: the changes themselves are read from the recipe."""
        if recipe.subject.stream is not None or recipe.subject.given is not None:
            raise Refused("your data make their own batches here, without the numbers of their samples")
        return Source(at="augment")
