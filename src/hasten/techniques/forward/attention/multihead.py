"""nn.MultiheadAttention whose weights the model has no use for."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hasten.techniques.blocks import Forward, wrap_forward

NEED_WEIGHTS = 4
"""Position of the argument `need_weights` of nn.MultiheadAttention, after query, key, value and key_padding_mask."""


def without_weights(layer: nn.Module, forward: Forward) -> Forward:
    """Return the layer's forward pass with the weights left out: (output, None)."""

    def attend(self: nn.Module, *args: Any, **options: Any) -> Any:
        if len(args) > NEED_WEIGHTS:
            args = (*args[:NEED_WEIGHTS], False, *args[NEED_WEIGHTS + 1 :])
            return forward(self, *args, **options)
        return forward(self, *args, **{**options, "need_weights": False})

    return attend


def leave_weights_out(model: nn.Module) -> nn.Module:
    """Let every multi-head attention of the model take the fused kernel, in place."""
    for module in list(model.modules()):
        if isinstance(module, nn.MultiheadAttention):
            wrap_forward(module, without_weights)
    return model


def weights_made(model: nn.Module, run: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `run` gives and how many times the model made attention weights for it."""
    made: list[Tensor] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        if output[1] is not None:
            made.append(output[1])

    hooks = [one.register_forward_hook(note) for one in model.modules() if isinstance(one, nn.MultiheadAttention)]
    try:
        return run(), len(made)
    finally:
        for hook in hooks:
            hook.remove()


def why_not_multihead(model: nn.Module, run: Callable[[], Any]) -> str | None:
    """Return why the weights of `nn.MultiheadAttention` cannot be left out, or None; changes the model.

    Args:
        model: what `run` calls.
        run: makes one forward pass of a sample.
    """
    if not any(isinstance(module, nn.MultiheadAttention) for module in model.modules()):
        return "the model has no nn.MultiheadAttention"
    # Dropout is off, but not by eval(), in which torch's own encoder layers take another way.
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    plain, made = weights_made(model, run)
    if not made:
        return "no attention layer makes its weights: they take the fused kernel already"
    try:
        leave_weights_out(model)
        fused, _ = weights_made(model, run)
    except (TypeError, AttributeError, RuntimeError) as error:
        return f"the model uses the attention weights ({str(error).splitlines()[0]})"
    if not torch.allclose(plain, fused, rtol=1e-3, atol=1e-4):
        return "the model uses the attention weights: its output differs without them"
    return None
