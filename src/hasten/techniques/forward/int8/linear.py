"""The layer: an `nn.Linear` that trains in int8 and is judged in its own format."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from hasten.base.errors import BadInput
from hasten.techniques.forward.int8.autograd import Int8Product
from hasten.techniques.forward.int8.product import quantize_rows
from hasten.techniques.forward.int8.running import STRIP_ROWS
from hasten.techniques.forward.int8.support import SMALLEST_SIZE

FORMATS = (torch.float32, torch.bfloat16)
LEAST_WORK = 2**28
"""Tokens x input features x output features from which int8 beats bfloat16, as `benchmarks/int8_linear.py` measures."""


@dataclass(frozen=True, kw_only=True)
class Int8Settings:
    """How one layer uses int8.

    Args:
        least_work: calls with a smaller product of tokens, input and output features are computed as by `nn.Linear`:
            int8 would be slower.
        rows_at_most: longest sum over tokens under one set of scales in the weight gradient, 64 to 1024; smaller is
            slower, and more exact where a few tokens have far larger gradients than the rest.
        dither: round gradients at random instead of to nearest, so that the mean has no error.
        smooth: (K), float32, divides the input channels and multiplies the weight's; None for all ones.
    """

    least_work: int = LEAST_WORK
    rows_at_most: int = STRIP_ROWS
    dither: bool = False
    smooth: Tensor | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 2 * SMALLEST_SIZE <= self.rows_at_most <= STRIP_ROWS:
            raise BadInput(f"rows_at_most must be {2 * SMALLEST_SIZE} to {STRIP_ROWS}; found {self.rows_at_most}.")


class Int8Linear(nn.Linear):
    """A linear layer whose three products run in int8 while it trains.

    Weight and bias are plain parameters under their usual names. In eval mode, and for calls with few tokens, it
    computes what `nn.Linear` computes. Without held weights it quantizes the weight in every call; see `hold_weights`.
    """

    settings: Int8Settings = Int8Settings()
    held: tuple[Tensor, Tensor] | None = None  # codes (N, K) and scales (N, 1) of the weight as last held

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name that nn.Linear gives it)
        """Return input @ weight.T + bias for input (..., K), in the dtype that `nn.Linear` would return."""
        settings, rows = self.settings, input.numel() // self.in_features
        if not self.training or rows < SMALLEST_SIZE or rows * self.weight.numel() < settings.least_work:
            return F.linear(input, self.weight, self.bias)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype
        if dtype not in FORMATS or input.dtype not in FORMATS:
            raise BadInput(
                f"an int8 linear layer computes from and to float32 or bfloat16; found {input.dtype} to {dtype}. "
                "Train in one of these, or leave int8 out."
            )
        codes, scales = self.held or self.quantized()
        seed = torch.randint(2**31 - 1, (), dtype=torch.int32, device="cpu") if settings.dither else None
        options = (settings.smooth, seed, settings.rows_at_most, dtype)
        return Int8Product.apply(input, self.weight, self.bias, codes, scales, options)  # type: ignore[no-any-return]

    def quantized(self) -> tuple[Tensor, Tensor]:
        """Return the codes and scales of the weight as it is now."""
        return quantize_rows(self.weight.detach(), self.settings.smooth)

    def __getstate__(self) -> dict[str, Any]:
        # A copy may be given other weights, so it must not start from what this one holds.
        return {name: value for name, value in self.__dict__.items() if name != "held"}

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if self.held is not None:
            _hold(self)


def hold_weights(model: nn.Module) -> None:
    """Quantize the weights of every int8 layer now, for all calls until they are next held or released.

    Call it after every change of the weights: what is held is not watched. A count of changes kept by torch would not
    do, because fused optimizers do not raise it.
    """
    for layer in model.modules():
        if isinstance(layer, Int8Linear):
            _hold(layer)


def release_weights(model: nn.Module) -> None:
    """Go back to quantizing the weight in every call."""
    for layer in model.modules():
        if isinstance(layer, Int8Linear):
            layer.held = None


def hold_weights_between_steps(model: nn.Module, optimizer: Optimizer) -> RemovableHandle:
    """Hold the weights now and after every step of `optimizer`, so that all micro-batches of a step share them.

    Loading a state dict holds anew; other changes of the weights need `hold_weights`. Remove the handle, then call
    `release_weights`, to end it.
    """

    def hold(*_: object) -> None:
        hold_weights(model)

    hold_weights(model)
    return optimizer.register_step_post_hook(hold)


@torch.no_grad()
def _hold(layer: Int8Linear) -> None:
    fresh = layer.quantized()
    if layer.held is None:
        layer.held = fresh
    else:  # in place: a compiled model keeps the tensors that it was compiled with
        for old, new in zip(layer.held, fresh, strict=True):
            old.copy_(new)
