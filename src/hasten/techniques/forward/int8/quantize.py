"""Numbers to int8 codes and back: the elementwise work around an int8 product.

Symmetric and without a zero point: `value = code * scale`, with codes in -127 .. 127. Every function that `running.run`
runs writes into tensors that it is given, so that its caller decides what is allocated. It says here in torch what
`kernels.cpp` does in a pass or two; where there is no compiler it is run as it stands here.

Shapes: R rows, C columns. `values` are float32 or bfloat16, codes int8, sums of products int32, the rest float32.
"""

from pathlib import Path

import torch
from torch import Tensor

from hasten.techniques.native import Source

KERNELS = Source(
    Path(__file__).with_name("kernels.cpp"),
    ("-ffp-contract=off",),  # the same bits as torch, which rounds a product before it adds
)
LARGEST_CODE = 127
SMALLEST_SCALE = 1e-30
"""Keeps the scale of an all-zero row from being zero; far below any gradient that float32 training can use."""


def scale_of(largest: Tensor) -> Tensor:
    """Return the scale under which the value `largest` becomes the largest code; NaN and infinity stay."""
    return (largest * (1 / LARGEST_CODE)).clamp_min(SMALLEST_SCALE)


def quantize_rows(values: Tensor, factor: Tensor, codes: Tensor, scales: Tensor) -> None:
    """Write the codes (R, C) and row scales (R, 1) of `values` (R, C) times `factor` (1, C)."""
    scaled = values.float() * factor
    scale = scale_of(scaled.abs().amax(1, keepdim=True))
    scales.copy_(scale)
    codes.copy_(scaled.mul_(1 / scale).round_())


def measure_scales(
    values: Tensor, row_factor: Tensor, column_factor: Tensor, rows: Tensor, columns: Tensor, sums: Tensor
) -> None:
    """Write the row scales of `values * row_factor` and column scales of `values * column_factor`; add column sums.

    Args:
        values: (R, C).
        row_factor: (1, C); column_factor: (R, 1).
        rows: (R, 1), written; columns: (1, C), written.
        sums: (C,); the sums of `values` over its rows are added.
    """
    values = values.float()
    rows.copy_(scale_of((values * row_factor).abs_().amax(1, keepdim=True)))
    columns.copy_(scale_of((values * column_factor).abs_().amax(0, keepdim=True)))
    sums.add_(values.sum(0))


def round_both(
    values: Tensor,
    row_factor: Tensor,
    column_factor: Tensor,
    rows: Tensor,
    columns: Tensor,
    by_row: Tensor,
    by_column: Tensor,
) -> None:
    """Write the codes of `values * row_factor` under row scales and of `values * column_factor` under column scales.

    Args:
        values: (R, C).
        row_factor: (1, C); column_factor: (R, 1); rows: (R, 1), scales; columns: (1, C), scales.
        by_row: (R, C), written.
        by_column: (R, C), written.
    """
    values = values.float()
    by_row.copy_((values * row_factor).mul_(1 / rows).round_())
    by_column.copy_((values * column_factor).mul_(1 / columns).round_())


def dither_both(
    values: Tensor,
    row_factor: Tensor,
    column_factor: Tensor,
    rows: Tensor,
    columns: Tensor,
    by_row: Tensor,
    by_column: Tensor,
    seed: Tensor,
) -> None:
    """Do as `round_both`, rounding up or down at random so that the mean over seeds (an int32 scalar) is exact."""
    values = values.float()
    up = uniform(values.shape[0], values.shape[1], seed)
    row_units = (values * row_factor).mul_(1 / rows).add_(up)
    column_units = (values * column_factor).mul_(1 / columns).add_(up)
    by_row.copy_(row_units.floor_().clamp_(-LARGEST_CODE, LARGEST_CODE))
    by_column.copy_(column_units.floor_().clamp_(-LARGEST_CODE, LARGEST_CODE))


def uniform(num_rows: int, num_columns: int, seed: Tensor) -> Tensor:
    """Return (num_rows, num_columns) numbers in [0, 1) that depend on row, column and seed only.

    A hash, because on a CPU torch's generator costs thirty times the rounding itself. Products wrap at 32 bits; shifts
    are masked because those of a signed number carry its sign along.

    Source: the finalizer of MurmurHash3 (Austin Appleby 2011, public domain), of a linear form of the three.
    """
    row = torch.arange(num_rows, dtype=torch.int32, device=seed.device).unsqueeze(1)
    column = torch.arange(num_columns, dtype=torch.int32, device=seed.device).unsqueeze(0)
    mixed = row * -1640531527 + column * 668265263 + seed * 374761393
    mixed = (mixed ^ ((mixed >> 16) & 0xFFFF)) * -2048144789
    mixed = (mixed ^ ((mixed >> 13) & 0x7FFFF)) * -1028477387
    mixed = mixed ^ ((mixed >> 16) & 0xFFFF)
    return (mixed & 0xFFFFFF).float() * 2.0**-24


def dequantize(sums: Tensor, rows: Tensor, columns: Tensor, out: Tensor) -> None:
    """Write `sums * rows * columns`: (R, C), (R, 1), (1, C) -> (R, C), float32 or bfloat16."""
    out.copy_((sums * rows).mul_(columns))


def dequantize_bias(sums: Tensor, rows: Tensor, columns: Tensor, bias: Tensor, out: Tensor) -> None:
    """Write `sums * rows * columns + bias`, with bias (C)."""
    out.copy_((sums * rows).mul_(columns).add_(bias))


def accumulate(sums: Tensor, rows: Tensor, columns: Tensor, out: Tensor) -> None:
    """Add `sums * rows * columns` to `out`."""
    out.add_((sums * rows).mul_(columns))
