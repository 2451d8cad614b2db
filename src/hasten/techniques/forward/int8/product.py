"""The three products of a linear layer in int8, and autograd over them.

    output        Y  = X Wᵀ + b      X by token, W by output feature:   (qX qWᵀ) · sX · sWᵀ + b
    input grad    gX = G W           G · sWᵀ by token:                  (qG qW) · rG
    weight grad   gW = Gᵀ X          G · sX by output feature:          (qG'ᵀ qX) · cG'ᵀ

The scales of the other operand are folded into G before it is quantized, which is exact algebra: X and W are
quantized once and serve two products each, and no operand is transposed or copied. The weight gradient sums over
tokens in pieces, each with its own scales, added in float32: one loud token then spoils its own piece only.

Where input channels differ much in size, `smooth` (one number per channel, 1 where absent) evens them out before
quantizing: X / smooth and W · smooth have the same product (Xiao et al. 2022, arXiv:2211.10438).

Sources: SwitchBack (Wortsman et al. 2023, arXiv:2304.13013) for int8 training of linear layers by row scales; torchao's
int8 mixed-precision training for all three products. Folding the scales and the pieces are ours.

Shapes: M tokens, K input features, N output features.
"""

import torch
from torch import Tensor

from hasten.techniques.forward.int8 import quantize
from hasten.techniques.forward.int8.quantize import LARGEST_CODE
from hasten.techniques.forward.int8.running import STRIP_ROWS, ones, pieces, run, scratch
from hasten.techniques.forward.operator import operator

LONGEST_SUM = (2**31 - 1) // LARGEST_CODE**2
"""How many products of two codes an int32 can add up."""
SEED_STEP = 7919
"""Between the dither seeds of two pieces, so that they start from unlike rows of the hash."""


def _no_work(*shapes: object, **_: object) -> int:
    return 0


def _empty_quantized(values: Tensor, factor: Tensor | None) -> tuple[Tensor, Tensor]:
    codes = values.new_empty(values.shape, dtype=torch.int8)
    return codes, values.new_empty((values.shape[0], 1), dtype=torch.float32)


@operator("int8_quantize_rows", fake=_empty_quantized, work=_no_work)
def quantize_rows(values: Tensor, factor: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the int8 codes (R, C) and scales (R, 1) of `values` (R, C), times `factor` (C) if there is one."""
    codes, scales = _empty_quantized(values, factor)
    run(quantize.quantize_rows, values.contiguous(), _row(factor, values.shape[1]), codes, scales)
    return codes, scales


def _empty_output(
    codes: Tensor, scales: Tensor, weight_codes: Tensor, weight_scales: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    return codes.new_empty((codes.shape[0], weight_codes.shape[0]), dtype=dtype)


def _linear_work(codes: torch.Size, scales: torch.Size, weight_codes: torch.Size, *_: object, **__: object) -> int:
    return 2 * codes[0] * codes[1] * weight_codes[0]


@operator("int8_linear", fake=_empty_output, work=_linear_work)
def linear(
    codes: Tensor, scales: Tensor, weight_codes: Tensor, weight_scales: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Return Y (M, N) in `dtype` from the codes and scales of X (M, K) and W (N, K), by row, and b (N)."""
    out = _empty_output(codes, scales, weight_codes, weight_scales, bias, dtype)
    operand, columns, offset = weight_codes.t(), weight_scales.view(1, -1), None if bias is None else bias.float()
    sizes = pieces(codes.shape[0], STRIP_ROWS)
    for part, rows, written in zip(codes.split(sizes), scales.split(sizes), out.split(sizes), strict=True):
        sums = scratch("sums", written.shape, torch.int32)
        torch._int_mm(part, operand, out=sums)
        if offset is None:
            run(quantize.dequantize, sums, rows, columns, written)
        else:
            run(quantize.dequantize_bias, sums, rows, columns, offset, written)
    return out


def _empty_gradients(
    grad: Tensor,
    inputs: list[Tensor],
    weight: list[Tensor],
    smooth: Tensor | None,
    seed: Tensor | None,
    rows_at_most: int,
    dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor, Tensor]:
    (N, K), M, new = weight[0].shape, grad.shape[0], weight[1].new_empty
    return new((M if dtype else 0, K), dtype=dtype), new((N, K)), new((N,))


def _linear_backward_work(grad: torch.Size, inputs: list[torch.Size], *others: object, **_: object) -> int:
    return 2 * grad[0] * grad[1] * inputs[0][1] * (1 if others[-1] is None else 2)


@operator("int8_linear_backward", fake=_empty_gradients, work=_linear_backward_work)
def linear_backward(
    grad: Tensor,
    inputs: list[Tensor],
    weight: list[Tensor],
    smooth: Tensor | None,
    seed: Tensor | None,
    rows_at_most: int,
    dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return gX (M, K) in `dtype`, gW (N, K) and the sum of G over tokens (N), both float32.

    Args:
        grad: G (M, N), float32 or bfloat16.
        inputs: codes (M, K) and scales (M, 1) of X.
        weight: codes (N, K) and scales (N, 1) of W.
        smooth: (K) or None.
        seed: (), int32, to round G at random; None to round to nearest.
        rows_at_most: longest sum over tokens under one set of scales.
        dtype: None where gX is not asked for; it is empty then.
    """
    (codes, scales), (weight_codes, weight_scales) = inputs, weight
    (N, K), M = weight_codes.shape, grad.shape[0]
    grad_input, grad_weight, bias_grad = _empty_gradients(grad, inputs, weight, smooth, seed, rows_at_most, dtype)
    bias_grad.zero_()
    row_factor, channels = weight_scales.view(1, N), _row(smooth, K)
    unsmooth = channels if smooth is None else 1 / channels
    sizes = pieces(M, rows_at_most)
    parts = zip(grad.contiguous().split(sizes), codes.split(sizes), scales.split(sizes), strict=True)
    written = grad_input.split(sizes) if dtype is not None else ()
    for place, (part, part_codes, column_factor) in enumerate(parts):
        piece_seed = None if seed is None else seed + place * SEED_STEP
        by_row, rows, by_column, columns = _quantize(part, row_factor, column_factor, sums=bias_grad, seed=piece_seed)
        if written:
            sums = scratch("sums", (len(part), K), torch.int32)
            torch._int_mm(by_row, weight_codes, out=sums)
            run(quantize.dequantize, sums, rows, unsmooth, written[place])
        sums = scratch("sums", (N, K), torch.int32)
        torch._int_mm(by_column.t(), part_codes, out=sums)
        run(quantize.accumulate if place else quantize.dequantize, sums, columns.view(N, 1), channels, grad_weight)
    return grad_input, grad_weight, bias_grad


def _quantize(
    values: Tensor, row_factor: Tensor, column_factor: Tensor, *, sums: Tensor, seed: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return codes and scales of a piece of G by row and by column, on scratch memory; add its columns to `sums`."""
    R, C = shape = values.shape
    rows, columns = scratch("rows", (R, 1), torch.float32), scratch("columns", (1, C), torch.float32)
    by_row, by_column = scratch("by_row", shape, torch.int8), scratch("by_column", shape, torch.int8)
    run(quantize.measure_scales, values, row_factor, column_factor, rows, columns, sums)
    given = values, row_factor, column_factor, rows, columns, by_row, by_column
    if seed is None:
        run(quantize.round_both, *given)
    else:
        run(quantize.dither_both, *given, seed)
    return by_row, rows, by_column, columns


def _row(factor: Tensor | None, size: int) -> Tensor:
    """Return the factor of each column as (1, size), 1 where there is none."""
    return ones(size) if factor is None else factor.view(1, size)
