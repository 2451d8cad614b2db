"""The elementwise functions against plain formulas in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hasten.techniques.forward.int8 import quantize

formats = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def codes_like(values: Tensor) -> Tensor:
    return torch.empty(values.shape, dtype=torch.int8)


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 50), power=st.integers(-25, 25))
def test_codes_times_scales_are_within_half_a_step(rows: int, columns: int, power: int) -> None:
    values = torch.randn(rows, columns) * 10.0**power
    codes, scales = codes_like(values), torch.empty(rows, 1)
    quantize.quantize_rows(values=values, factor=torch.ones(1, columns), codes=codes, scales=scales)
    assert codes.abs().max() <= quantize.LARGEST_CODE
    assert (codes.abs().amax(1) == quantize.LARGEST_CODE).all()
    error = (codes.double() * scales.double() - values.double()).abs()
    assert (error <= scales.double() * 0.5001).all()


def test_the_factor_multiplies_columns_before_rounding() -> None:
    values, factor = torch.randn(9, 7), torch.rand(1, 7) + 0.1
    codes, scales = codes_like(values), torch.empty(9, 1)
    quantize.quantize_rows(values=values, factor=factor, codes=codes, scales=scales)
    twin, twin_scales = codes_like(values), torch.empty(9, 1)
    quantize.quantize_rows(values=values * factor, factor=torch.ones(1, 7), codes=twin, scales=twin_scales)
    assert torch.equal(codes, twin)
    assert torch.equal(scales, twin_scales)


def test_rows_of_zeros_become_zeros() -> None:
    codes, scales = torch.ones(3, 8, dtype=torch.int8), torch.empty(3, 1)
    quantize.quantize_rows(values=torch.zeros(3, 8), factor=torch.ones(1, 8), codes=codes, scales=scales)
    assert (codes == 0).all()
    assert torch.isfinite(scales).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_makes_its_whole_row_not_finite(bad: float) -> None:
    values = torch.randn(3, 8)
    values[1, 2] = bad
    codes, scales, out = codes_like(values), torch.empty(3, 1), torch.empty(3, 8)
    quantize.quantize_rows(values=values, factor=torch.ones(1, 8), codes=codes, scales=scales)
    quantize.dequantize(sums=codes.int(), rows=scales, columns=torch.ones(1, 8), out=out)
    assert not torch.isfinite(out[1]).any()
    assert torch.isfinite(out[[0, 2]]).all()


@formats
def test_scales_for_rows_and_columns_in_one_go(dtype: torch.dtype) -> None:
    values, row_factor, column_factor = torch.randn(12, 10).to(dtype), torch.rand(1, 10), torch.rand(12, 1)
    rows, columns, sums = torch.empty(12, 1), torch.empty(1, 10), torch.ones(10)
    quantize.measure_scales(
        values=values,
        row_factor=row_factor,
        column_factor=column_factor,
        rows=rows,
        columns=columns,
        sums=sums,
    )
    exact = values.double()
    torch.testing.assert_close(rows, ((exact * row_factor).abs().amax(1, keepdim=True) / 127).float())
    torch.testing.assert_close(columns, ((exact * column_factor).abs().amax(0, keepdim=True) / 127).float())
    torch.testing.assert_close(sums, 1 + exact.sum(0).float())


@formats
def test_rounding_for_rows_and_columns_in_one_go(dtype: torch.dtype) -> None:
    values, row_factor, column_factor = torch.randn(12, 10).to(dtype), torch.rand(1, 10), torch.rand(12, 1)
    rows, columns = torch.full((12, 1), 0.03), torch.full((1, 10), 0.02)
    by_row, by_column = codes_like(values), codes_like(values)
    quantize.round_both(
        values=values,
        row_factor=row_factor,
        column_factor=column_factor,
        rows=rows,
        columns=columns,
        by_row=by_row,
        by_column=by_column,
    )
    assert (by_row - values.double() * row_factor / 0.03).abs().max() <= 0.5001
    assert (by_column - values.double() * column_factor / 0.02).abs().max() <= 0.5001


def dithered(values: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return what the dither gives on average by row and by column, in the units of `values`, for scales of 1."""
    rows, columns = values.shape
    by_row, by_column = codes_like(values), codes_like(values)
    quantize.dither_both(
        values=values,
        row_factor=torch.ones(1, columns),
        column_factor=torch.ones(rows, 1),
        rows=torch.ones(rows, 1),
        columns=torch.ones(1, columns),
        by_row=by_row,
        by_column=by_column,
        seed=torch.tensor(seed, dtype=torch.int32),
    )
    return by_row, by_column


def test_the_dither_has_no_error_on_average_over_seeds() -> None:
    values = torch.rand(32, 48) * 200 - 100
    number = 600
    for way in range(2):
        mean = sum(dithered(values, seed)[way].double() for seed in range(number)) / number
        share = (values - values.floor()).double()
        standard_error = (share * (1 - share) / number).sqrt().clamp_min(1e-4)
        z = (mean - values.double()) / standard_error
        assert z.abs().max() < 5.5
        assert z.pow(2).mean() < 1.3  # errors of different elements and seeds shrink like those of independent draws


def test_the_dither_never_leaves_the_range_of_codes() -> None:
    values = torch.tensor([[127.0, -127.0, 127.0000076, -127.0000076]]).repeat(64, 1)
    for seed in range(50):
        for codes in dithered(values, seed):
            assert codes.abs().max() == 127
            assert torch.equal(codes.sign(), values.sign().to(torch.int8))


def test_the_hash_is_uniform_and_unrelated_between_neighbors_and_seeds() -> None:
    draws = torch.stack([quantize.uniform(64, 64, torch.tensor(seed, dtype=torch.int32)) for seed in range(16)])
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = torch.histc(draws, bins=64, min=0, max=1)
    expected = draws.numel() / 64
    assert ((counts - expected) ** 2 / expected).sum() < 120  # chi-square of 63 degrees; 0.1 % lie above 104
    centered = draws - 0.5
    for shifted in (centered.roll(1, 0), centered.roll(1, 1), centered.roll(1, 2)):
        correlation = (centered * shifted).mean() / centered.var()
        assert correlation.abs() < 5 / draws.numel() ** 0.5


@formats
def test_products_go_back_to_numbers(dtype: torch.dtype) -> None:
    sums = torch.randint(-(10**6), 10**6, (9, 6), dtype=torch.int32)
    rows, columns, bias = torch.rand(9, 1), torch.rand(1, 6), torch.randn(6)
    exact = sums.double() * rows * columns
    out = torch.empty(9, 6, dtype=dtype)
    quantize.dequantize(sums=sums, rows=rows, columns=columns, out=out)
    torch.testing.assert_close(out, exact.to(dtype))
    quantize.dequantize_bias(sums=sums, rows=rows, columns=columns, bias=bias, out=out)
    torch.testing.assert_close(out, (exact + bias).to(dtype))


def test_products_are_added_to_what_is_there() -> None:
    sums, rows, columns = torch.randint(-999, 999, (9, 6), dtype=torch.int32), torch.rand(9, 1), torch.rand(1, 6)
    out = torch.ones(9, 6)
    quantize.accumulate(sums=sums, rows=rows, columns=columns, out=out)
    torch.testing.assert_close(out, 1 + sums * rows * columns)
