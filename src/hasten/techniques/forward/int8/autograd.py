"""Autograd over the three int8 products of a linear layer; see `product.py` for the algebra."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hasten.techniques.forward.int8.product import linear, linear_backward, quantize_rows


class Int8Product(torch.autograd.Function):
    """X Wᵀ + b with all three products in int8; keeps the int8 codes of X for the backward pass, not X."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        weight_codes: Tensor,
        weight_scales: Tensor,
        options: tuple[Tensor | None, Tensor | None, int, torch.dtype],
    ) -> Tensor:
        """Return Y.

        Args:
            inputs: (..., K), float32 or bfloat16.
            weight: (N, K): only its gradient is asked for, its values come quantized.
            bias: (N) or None.
            weight_codes: (N, K), int8, of `weight * smooth`.
            weight_scales: (N, 1), float32.
            options: `smooth` (K) or None, the seed () of the dither or None, the longest sum over tokens, Y's dtype.
        """
        smooth, seed, ctx.rows_at_most, dtype = options
        ctx.inputs_dtype, ctx.weight_dtype = inputs.dtype, weight.dtype
        codes, scales = quantize_rows(inputs.flatten(0, -2), None if smooth is None else 1 / smooth)
        kept = (codes, scales) if ctx.needs_input_grad[1] else ()
        ctx.save_for_backward(weight_codes, weight_scales, smooth, seed, *kept)
        return linear(codes, scales, weight_codes, weight_scales, bias, dtype).unflatten(0, inputs.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradients of inputs, weight and bias where they are asked for."""
        weight_codes, weight_scales, smooth, seed, *kept = ctx.saved_tensors
        wants_input, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        grad: Tensor = grads[0].flatten(0, -2)
        grad_input = grad_weight = grad_bias = None
        if wants_weight:
            dtype = ctx.inputs_dtype if wants_input else None
            grad_input, grad_weight, grad_bias = linear_backward(
                grad, kept, [weight_codes, weight_scales], smooth, seed, ctx.rows_at_most, dtype
            )
            grad_weight = grad_weight.to(ctx.weight_dtype)
        elif wants_input:
            channels = weight_scales.new_ones(weight_codes.shape[1]) if smooth is None else 1 / smooth
            grad_input = linear(*quantize_rows(grad, weight_scales), weight_codes.t(), channels, None, ctx.inputs_dtype)
        if wants_bias and grad_bias is None:
            grad_bias = grad.float().sum(0)
        shaped = grad_input.unflatten(0, grads[0].shape[:-1]) if wants_input and grad_input is not None else None
        return shaped, grad_weight, grad_bias if wants_bias else None, None, None, None
