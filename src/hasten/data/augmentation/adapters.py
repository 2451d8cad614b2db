"""Transforms of torchvision, of kornia, or of one's own, as augmentation: of one image after another.

Such transforms draw from the global random generators. Here each image has its own seed, a function of (seed, epoch,
sample), and the generators are put back afterwards: a run goes on onto the same images, but no other thread may draw
from the generators meanwhile, so batches are not made ahead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.seeds import preserved, seed_all
from hasten.data.augmentation.draws import Augment, Draws
from hasten.data.batch import Batch, first_input, with_first_input

Transform = Callable[[Tensor], Tensor]
"""One image in, (channels, height, width), and one out. All out of one batch must have one shape."""

_SEEDS = 2**31


@dataclass(frozen=True)
class Torchvision:
    """Do a transform of torchvision (v1 or v2 on tensors), or any other, to (batch, channels, height, width) images.

    Args:
        transform: takes and returns a tensor of one image; a `Compose` of several, too.
    """

    transform: Transform
    uses_global_generators: ClassVar[bool] = True

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return with_first_input(batch, _one_by_one(self.transform, first_input(batch), draws))


@dataclass(frozen=True)
class Kornia:
    """Do an augmentation of kornia, which takes numbers from 0 to 1, to (batch, channels, height, width) images.

    Images of uint8 are divided by 255, and rounded again after it.

    Args:
        transform: a module of `kornia.augmentation`, or an `AugmentationSequential` of several.
    """

    transform: Transform
    uses_global_generators: ClassVar[bool] = True

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        images = first_input(batch)
        stored = images.dtype == torch.uint8
        numbers = images.float() / 255 if stored else images
        out = _one_by_one(lambda image: self.transform(image[None])[0], numbers, draws)
        return with_first_input(batch, (out * 255).round().clamp(0, 255).to(torch.uint8) if stored else out)


@dataclass(frozen=True)
class ChannelsLast:
    """Do a change of (batch, channels, height, width) images to images that are (batch, height, width, channels)."""

    change: Augment

    @property
    def uses_global_generators(self) -> bool:
        """Whether the change draws from the global random generators."""
        return getattr(self.change, "uses_global_generators", False)

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        changed = self.change(with_first_input(batch, first_input(batch).permute(0, 3, 1, 2)), draws)
        return with_first_input(changed, first_input(changed).permute(0, 2, 3, 1).contiguous())


def _one_by_one(transform: Transform, images: Tensor, draws: Draws) -> Tensor:
    seeds = draws.integers("transform", _SEEDS).tolist()
    out: list[Tensor] = []
    with preserved():
        for image, seed in zip(images, seeds, strict=True):
            seed_all(seed)
            made = transform(image)
            if not isinstance(made, Tensor) or (out and made.shape != out[0].shape):
                found = f"a tensor of {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
                raise BadInput(
                    f"the transform {type(transform).__name__} must return tensors of one shape; found {found}. "
                    "Let it take and return tensors, and crop to a fixed size."
                )
            out.append(made.as_subclass(Tensor))
    return torch.stack(out)
