"""Split convolutions into one per channel and one across channels.

What it does
    Replaces a k x k convolution by a depthwise one with `multiplier` filters per input channel and a 1 x 1 convolution
    that mixes them, the best such pair by singular values. At the end the pair is multiplied out again.

Why it helps
    About k^2 times fewer operations at a multiplier of 1.

When it hurts
    Depthwise convolutions move as many bytes for far fewer operations: measured time falls much less than the count,
    and on some hardware not at all. Fresh weights have no low rank, so capacity is lost.

Numerics
    Another model: the best approximation of the dense convolution at the start.

Known problems
    The first convolution, grouped convolutions and those with less than `LEAST_CHANNELS` channels are left alone.

Source
    Chollet, 2017, arXiv:1610.02357; Howard et al., 2017, arXiv:1704.04861; the approximation channel by channel: Guo
    et al., 2018, arXiv:1802.00939 ("Network Decoupling").
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.model.replacing import replace_layers
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

LEAST_CHANNELS = 4
"""Input channels below which a convolution is cheap as it is."""


class SeparableConv2d(nn.Module):
    """A convolution across space, channel by channel, then one across channels; images in and out."""

    def __init__(self, dense: nn.Conv2d, multiplier: int) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": dense.weight.device, "dtype": dense.weight.dtype}
        channels, kernel = dense.in_channels, dense.kernel_size
        rank = min(multiplier, kernel[0] * kernel[1], dense.out_channels)
        self.depthwise = nn.Conv2d(
            channels,
            channels * rank,
            (kernel[0], kernel[1]),
            stride=dense.stride,  # type: ignore[arg-type]
            padding=dense.padding,  # type: ignore[arg-type]
            dilation=dense.dilation,  # type: ignore[arg-type]
            groups=channels,
            bias=False,
            padding_mode=dense.padding_mode,  # type: ignore[arg-type]
            **options,
        )
        self.pointwise = nn.Conv2d(channels * rank, dense.out_channels, 1, bias=dense.bias is not None, **options)
        with torch.no_grad():
            # One matrix per input channel: (channels, out, k x k), cut to `rank`.
            U, S, Vh = torch.linalg.svd(dense.weight.transpose(0, 1).flatten(2), full_matrices=False)
            root = S[:, :rank].sqrt()
            self.depthwise.weight.copy_((root[..., None] * Vh[:, :rank]).reshape(self.depthwise.weight.shape))
            mixing = (U[..., :rank] * root[:, None]).permute(1, 0, 2).flatten(1)
            self.pointwise.weight.copy_(mixing[..., None, None])
            if dense.bias is not None and self.pointwise.bias is not None:
                self.pointwise.bias.copy_(dense.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))

    @torch.no_grad()
    def dense(self) -> nn.Conv2d:
        """Return the plain convolution that computes the same."""
        depthwise, pointwise = self.depthwise, self.pointwise
        channels, rank = depthwise.in_channels, depthwise.out_channels // depthwise.in_channels
        space = depthwise.weight.view(channels, rank, *depthwise.kernel_size)
        mixing = pointwise.weight.view(pointwise.out_channels, channels, rank)
        layer = nn.Conv2d(
            channels,
            pointwise.out_channels,
            (depthwise.kernel_size[0], depthwise.kernel_size[1]),
            stride=depthwise.stride,  # type: ignore[arg-type]
            padding=depthwise.padding,  # type: ignore[arg-type]
            dilation=depthwise.dilation,  # type: ignore[arg-type]
            bias=pointwise.bias is not None,
            padding_mode=depthwise.padding_mode,  # type: ignore[arg-type]
            device=space.device,
            dtype=space.dtype,
        )
        layer.weight.copy_(torch.einsum("ocr,crhw->ochw", mixing, space))
        if pointwise.bias is not None and layer.bias is not None:
            layer.bias.copy_(pointwise.bias)
        return layer


def separable(model: nn.Module) -> set[str]:
    """Return the names of the convolutions that can be split: dense ones with a kernel above 1 x 1, not the first."""
    layers = [(name, module) for name, module in model.named_modules() if type(module) is nn.Conv2d]
    return {
        name
        for name, layer in layers[1:]
        if layer.groups == 1 and layer.in_channels >= LEAST_CHANNELS and max(layer.kernel_size) > 1
    }


def split_convolutions(model: nn.Module, multiplier: int) -> nn.Module:
    """Replace the model's dense convolutions by separable ones, in place."""
    names = separable(model)

    def split(name: str, layer: nn.Module) -> nn.Module | None:
        return SeparableConv2d(layer, multiplier) if name in names and isinstance(layer, nn.Conv2d) else None

    return replace_layers(model, split)


def join_convolutions(model: nn.Module) -> nn.Module:
    """Put dense convolutions back in place of the separable ones, in place."""
    return replace_layers(model, lambda name, layer: layer.dense() if isinstance(layer, SeparableConv2d) else None)


@dataclass(frozen=True)
class DepthwiseSeparable:
    """Split convolutions into one per channel and one across channels."""

    multiplier: Annotated[int, Meta(ge=1, description="filters per input channel")] = 1

    card: ClassVar[Card] = Card(
        name="depthwise_separable",
        stage=Stage.MODEL,
        guarantee=Guarantee.MODEL,
        idea="depthwise-separable convolutions: one per channel, then a 1x1 across channels",
        source="Chollet, 2017, arXiv:1610.02357; Guo et al., 2018, arXiv:1802.00939",
        treats=("low_compute_efficiency",),
        needs=("2-dimensional convolutions beyond the first",),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models without a convolution that can be split."""
        if not separable(recipe.subject.model()):
            return "the model has no dense 2-dimensional convolution beyond the first"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Split the convolutions before training and join them after it."""
        return recipe.with_surgery(partial(split_convolutions, multiplier=self.multiplier), undo=join_convolutions)

    def source(self, recipe: Recipe) -> Source:
        """Return the change of the model."""
        return Source(
            copies=(split_convolutions, join_convolutions),
            model=f"model = split_convolutions(model, multiplier={self.multiplier})",
            undo="model = join_convolutions(model)",
        )
