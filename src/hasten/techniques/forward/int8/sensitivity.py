"""How sensitive each linear layer is to int8, and the mildest remedy that suffices.

One batch is measured: a sample of the tokens that a layer multiplies is rounded as int8 would, and compared. Where
rounding errors are uncorrelated, the squared relative error of a product is the sum of those of its two factors.
The remedies, mildest first: nothing; smoothing of the input channels; shorter sums over tokens and stochastic
rounding for the gradients; leave the layer as it is.

Sources: smoothing after Xiao et al. 2022, arXiv:2211.10438 (equation 4, strength 0.5); the limits are ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import hypot
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.techniques.forward.int8.linear import Int8Settings
from hasten.techniques.forward.int8.quantize import scale_of

SAMPLED_ROWS = 2048
SHORT_SUM = 256
INPUT_NOISE_LIMIT = 0.027
"""Relative error of rounded inputs: that of values whose largest in a row is 12 times their root mean square."""
GRADIENT_NOISE_LIMIT = 0.05
"""Relative error of a rounded gradient: still small beside the noise of a minibatch gradient, which is rarely below
its mean."""
UNDERFLOW_LIMIT = 0.2
"""Share of non-zero values that round to zero. It tells of outliers so large that the error is small beside them."""
BIAS_LIMIT = 0.1
"""Mean rounding error of a feature's gradient over tokens, in standard errors of that mean."""
SMALLEST_SMOOTHING = 0.5
"""Of the median channel: a channel that was silent in the batch must not become the loudest when it wakes."""


@dataclass(frozen=True)
class Rounding:
    """What rounding to int8 did to some values.

    Args:
        noise: root mean square of the errors, relative to that of the values.
        underflow: share of the non-zero values that became zero.
    """

    noise: float
    underflow: float


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What rounding to int8 does to what one layer multiplies, in one batch.

    Args:
        tokens: how many tokens were looked at.
        inputs: X by token.
        weight: W by output feature.
        smoothed_inputs: X / smooth by token.
        smoothed_weight: W · smooth by output feature.
        by_row: G by token, for the input gradient.
        by_column: G by output feature over as many tokens as `Int8Settings` adds up by default.
        by_short_column: G by output feature over 256 tokens.
        bias: mean error of `by_column` over tokens, in standard errors of that mean, over all features.
        smooth: (K), what the input channels would be divided by.
    """

    tokens: int
    inputs: Rounding
    weight: Rounding
    smoothed_inputs: Rounding
    smoothed_weight: Rounding
    by_row: Rounding
    by_column: Rounding
    by_short_column: Rounding
    bias: float
    smooth: Tensor

    @property
    def output_error(self) -> float:
        """Predicted relative error of the output without remedies."""
        return hypot(self.inputs.noise, self.weight.noise)

    @property
    def grad_input_error(self) -> float:
        """Predicted relative error of the input gradient without remedies."""
        return hypot(self.by_row.noise, self.weight.noise)

    @property
    def grad_weight_error(self) -> float:
        """Predicted relative error of the weight gradient without remedies."""
        return hypot(self.by_column.noise, self.inputs.noise)


def sensitivities(model: nn.Module, run: Callable[[], object]) -> dict[str, Sensitivity]:
    """Return, by name, the sensitivity of each linear layer that `run` passes forward and backward through.

    Args:
        model: its layers may be plain or int8; it is watched, not changed.
        run: one forward and backward pass of the model in training mode. What it leaves in `.grad` is its caller's.

    Raises:
        BadInput: if no gradient went through any linear layer.
    """
    found = dict[str, Sensitivity]()

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def forward(layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            assert isinstance(layer, nn.Linear)
            inputs, weight = sampled(args[0].detach()), layer.weight.detach().float()
            if output.requires_grad:

                def backward(grad: Tensor) -> None:
                    found[name] = sensitivity_of(inputs, weight, sampled(grad))

                output.register_hook(backward)

        return forward

    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise BadInput(
            "no gradient reached a linear layer in the pass that was measured. "
            "Call backward on a loss of this model, in training mode and outside torch.no_grad()."
        )
    return {name: found[name] for name in layers if name in found}


def sampled(values: Tensor) -> Tensor:
    """Return at most 2048 rows of (..., C), evenly spaced, in float32."""
    rows = values.flatten(0, -2)
    return rows[:: -(-len(rows) // SAMPLED_ROWS)].float()


def rounded(values: Tensor, dim: int, at_most: int | None = None) -> Tensor:
    """Return (R, C) values as int8 with one scale along `dim` would hold them, in pieces of at most so many rows."""
    pieces = list[Tensor]()
    for piece in values.split(at_most or len(values)):
        scale = scale_of(piece.abs().amax(dim, keepdim=True))
        pieces.append((piece / scale).round() * scale)
    return torch.cat(pieces)


def rounding(values: Tensor, dim: int, at_most: int | None = None) -> Rounding:
    """Return what `rounded` does to the values."""
    found = rounded(values, dim, at_most)
    lost = ((found == 0) & (values != 0)).sum() / (values != 0).sum().clamp_min(1)
    return Rounding(float((found - values).norm() / values.norm().clamp_min(1e-30)), float(lost))


def smoothing(inputs: Tensor, weight: Tensor) -> Tensor:
    """Return (K): what to divide the channels of X (M, K), and multiply those of W (N, K) by, to even them out."""
    ratio = (inputs.abs().amax(0) / weight.abs().amax(0).clamp_min(1e-12)).sqrt()
    return (ratio / ratio.median().clamp_min(1e-12)).clamp_min(SMALLEST_SMOOTHING)


def sensitivity_of(inputs: Tensor, weight: Tensor, grad: Tensor) -> Sensitivity:
    """Return what int8 would cost a layer with inputs (M, K), weight (N, K) and output gradient (M, N), all float32."""
    smooth, longest = smoothing(inputs, weight), Int8Settings().rows_at_most
    by_row = grad * scale_of(weight.abs().amax(1))
    by_column = grad * scale_of(inputs.abs().amax(1, keepdim=True))
    bias = (rounded(by_column, 0, longest) - by_column).mean(0).norm()
    standard_error = by_column.std(0).norm() / len(grad) ** 0.5
    return Sensitivity(
        tokens=len(inputs),
        inputs=rounding(inputs, 1),
        weight=rounding(weight, 1),
        smoothed_inputs=rounding(inputs / smooth, 1),
        smoothed_weight=rounding(weight * smooth, 1),
        by_row=rounding(by_row, 1),
        by_column=rounding(by_column, 0, longest),
        by_short_column=rounding(by_column, 0, SHORT_SUM),
        bias=float(bias / standard_error.clamp_min(1e-30)),
        smooth=smooth,
    )


def remedies(
    found: Mapping[str, Sensitivity],
    settings: Int8Settings = Int8Settings(),  # noqa: B008  (frozen)
) -> dict[str, Int8Settings | str]:
    """Return, for each layer, the settings with the mildest remedy that suffices, or why none does; for `convert`."""
    return {name: remedy(one, settings) for name, one in found.items()}


def remedy(found: Sensitivity, settings: Int8Settings) -> Int8Settings | str:
    """Return `settings` with the mildest remedy that suffices for one layer, or why none does."""
    if not _faithful(found.inputs):
        if not (_faithful(found.smoothed_inputs) and _faithful(found.smoothed_weight)):
            return (
                f"its inputs have outliers: of what is not zero, int8 rounds {found.inputs.underflow:.0%} to zero, "
                f"{found.smoothed_inputs.underflow:.0%} after smoothing (at most {UNDERFLOW_LIMIT:.0%} is allowed), "
                f"with a relative error of {found.inputs.noise:.1%}, {found.smoothed_inputs.noise:.1%} after "
                f"smoothing (at most {INPUT_NOISE_LIMIT:.1%})"
            )
        settings = replace(settings, smooth=found.smooth)
    worst = max(found.by_row.noise, found.by_short_column.noise)
    if worst > GRADIENT_NOISE_LIMIT:
        return (
            f"its gradients have outliers: int8 rounds them with a relative error of {worst:.1%} "
            f"(at most {GRADIENT_NOISE_LIMIT:.1%} is allowed)"
        )
    if found.by_column.noise > GRADIENT_NOISE_LIMIT:
        settings = replace(settings, rows_at_most=SHORT_SUM)
    lost = max(found.by_row.underflow, found.by_column.underflow)
    return replace(settings, dither=found.bias > BIAS_LIMIT or lost > UNDERFLOW_LIMIT)


def _faithful(factor: Rounding) -> bool:
    return factor.noise <= INPUT_NOISE_LIMIT and factor.underflow <= UNDERFLOW_LIMIT
