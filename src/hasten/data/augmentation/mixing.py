"""Mix each sample and its target with the sample before it in the batch.

Each sample has its own share. Its partner depends on the batch that it is in, and so on the batch size.
"""

from dataclasses import dataclass

import torch
from scipy.special import betaincinv
from torch import Tensor
from torch.nn import functional as F

from hasten.base.errors import BadInput
from hasten.data.augmentation.draws import Draws
from hasten.data.batch import Batch, first_input, map_inputs, target_of, with_first_input, with_target


def mixed_targets(targets: Tensor, shares: Tensor, classes: int | None) -> Tensor:
    """Return share x own target + (1 - share) x the partner's.

    Args:
        targets: (batch,) int64 classes, or floating-point targets of any shape.
        shares: (batch,) in [0, 1].
        classes: how many there are, for int64 targets; the result is then (batch, classes) float32.

    Raises:
        BadInput: if int64 targets come without a number of classes.
    """
    if not targets.is_floating_point():
        if classes is None or targets.ndim != 1:
            raise BadInput(
                "mixing needs floating-point targets, or one class per sample and their number; found "
                f"{tuple(targets.shape)} integers and classes={classes}. Give `classes`."
            )
        targets = F.one_hot(targets, classes).float()
    return blended(targets, shares)


def blended(values: Tensor, shares: Tensor) -> Tensor:
    """Return share x own value + (1 - share) x the partner's; whole numbers are rounded."""
    own = shares.to(values.device, torch.float32).view(-1, *[1] * (values.ndim - 1))
    floating = values.is_floating_point()
    numbers = values if floating else values.float()
    mixed = numbers * own + numbers.roll(1, 0) * (1 - own)
    return mixed.to(values.dtype) if floating else mixed.round().to(values.dtype)


def beta(draws: Draws, alpha: float) -> Tensor:
    """Return one number for each sample from the Beta(alpha, alpha) distribution, (batch,) float64."""
    even = draws.uniform("share")[:, 0]
    return even if alpha == 1 else torch.as_tensor(betaincinv(alpha, alpha, even.numpy()))


@dataclass(frozen=True)
class MixUp:
    """Train on weighted means of pairs (Zhang et al., 2017, arXiv:1710.09412): images, or rows of a table.

    Args:
        classes: how many there are; None for floating-point targets.
        alpha: of the Beta distribution of the weight; small for weights near 0 and 1.
    """

    classes: int | None = None
    alpha: float = 0.2

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        shares = beta(draws, self.alpha)
        mixed = map_inputs(batch, lambda tensor: blended(tensor, shares))
        return with_target(mixed, mixed_targets(target_of(batch), shares, self.classes))


@dataclass(frozen=True)
class CutMix:
    """Paste a box of the partner into images, (batch, height, width, channels) (Yun et al., 2019, arXiv:1905.04899).

    Args:
        classes: how many there are; None for floating-point targets.
        alpha: of the Beta distribution of the share of the image that stays.
    """

    classes: int | None = None
    alpha: float = 1.0

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        images = first_input(batch)
        height, width = images.shape[1:3]
        boxes = cut_boxes(draws, height, width, self.alpha)
        out = images.clone()
        for place, (top, bottom, left, right) in enumerate(boxes.tolist()):
            out[place, top:bottom, left:right] = images[place - 1, top:bottom, left:right]
        pasted = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
        targets = mixed_targets(target_of(batch), 1 - pasted / (height * width), self.classes)
        return with_target(with_first_input(batch, out), targets)


def cut_boxes(draws: Draws, height: int, width: int, alpha: float) -> Tensor:
    """Return the boxes that CutMix pastes, cut off at the border: (batch, 4) int64 top, bottom, left, right."""
    side = torch.sqrt(1 - beta(draws, alpha))
    center = draws.uniform("center", 2)
    bounds: list[Tensor] = []
    for place, length in enumerate((height, width)):
        middle, half = (center[:, place] * length).long(), (side * length / 2).long()
        bounds += [(middle - half).clamp(min=0), (middle + half).clamp(max=length)]
    return torch.stack(bounds, dim=1)
