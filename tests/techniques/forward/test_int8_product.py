"""The three int8 products against their float32 twins, within the error that rounding to int8 predicts."""

from math import hypot

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hasten.techniques.forward.int8 import product
from hasten.techniques.forward.int8.autograd import Int8Product
from hasten.techniques.forward.int8.quantize import scale_of
from hasten.techniques.forward.int8.running import pieces

size = st.integers(32, 110)


def relative(found: Tensor, exact: Tensor) -> float:
    found, exact = found.detach().double(), exact.detach().double()
    return float((found - exact).norm() / exact.norm())


def int8(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    smooth: Tensor | None = None,
    seed: int | None = None,
    rows_at_most: int = 1024,
    dtype: torch.dtype | None = None,
) -> Tensor:
    codes, scales = product.quantize_rows(weight.detach(), smooth)
    drawn = None if seed is None else torch.tensor(seed, dtype=torch.int32)
    return Int8Product.apply(inputs, weight, bias, codes, scales, (smooth, drawn, rows_at_most, dtype or inputs.dtype))


@given(rows=st.integers(1, 5000), at_most=st.integers(1, 1100))
@settings(max_examples=50, deadline=None)
def test_pieces_cover_all_rows_and_are_nearly_equal(rows: int, at_most: int) -> None:
    lengths = pieces(rows, at_most)
    assert sum(lengths) == rows
    assert max(lengths) <= at_most
    assert max(lengths) - min(lengths) <= 1


def noise(values: Tensor, dim: int, at_most: int | None = None) -> float:
    """Return the relative error of int8 values with one scale along `dim`, in pieces of at most so many rows."""
    pieces = values.split(at_most or len(values))
    scales = [scale_of(piece.abs().amax(dim, keepdim=True)) for piece in pieces]
    rounded = torch.cat([(piece / scale).round() * scale for piece, scale in zip(pieces, scales, strict=True)])
    return float((rounded - values).norm() / values.norm())


@settings(max_examples=25, deadline=None)
@given(M=st.integers(64, 400), K=size, N=size, smoothed=st.booleans(), low=st.booleans(), seed=st.integers(0, 99))
def test_output_and_gradients_are_within_the_predicted_error_of_float32(
    M: int, K: int, N: int, smoothed: bool, low: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs, grad = torch.randn(M, K, generator=generator), torch.randn(M, N, generator=generator)
    weight, bias = torch.randn(N, K, generator=generator) * 0.05, torch.randn(N, generator=generator)
    smooth = torch.rand(K, generator=generator) + 0.5 if smoothed else None
    dtype = torch.bfloat16 if low else torch.float32
    inputs, grad = inputs.to(dtype).requires_grad_(), grad.to(dtype)
    weight.requires_grad_(), bias.requires_grad_()
    out = int8(inputs, weight, bias, smooth=smooth, rows_at_most=128)
    out.backward(grad)

    X, W, G = inputs.detach().double(), weight.detach().double(), grad.double()
    D = torch.ones(K) if smooth is None else smooth
    input_noise, weight_noise = noise(X / D, 1), noise(W * D, 1)
    row_noise = noise(G * scale_of((W * D).abs().amax(1)), 1)
    column_noise = noise(G * scale_of((X / D).abs().amax(1, keepdim=True)), 0, at_most=128)
    storage = 0.003 if low else 0.0  # of the result, in bfloat16
    assert relative(out, X @ W.t() + bias) <= 1.35 * hypot(input_noise, weight_noise) + storage
    assert relative(inputs.grad, G @ W) <= 1.35 * hypot(row_noise, weight_noise) + storage
    assert relative(weight.grad, G.t() @ X) <= 1.35 * hypot(column_noise, input_noise)
    assert relative(bias.grad, G.sum(0)) <= 1e-5


def test_the_gradient_rounded_at_random_is_right_on_average() -> None:
    inputs, weight, grad = torch.randn(96, 40), torch.randn(48, 40), torch.randn(96, 48)
    inputs.requires_grad_(), weight.requires_grad_()
    number = 200
    sums = [torch.zeros_like(inputs), torch.zeros_like(weight)]
    single = [0.0, 0.0]
    for seed in range(number):
        found = torch.autograd.grad(int8(inputs, weight, None, seed=seed * 77), (inputs, weight), grad)
        # What the rounding of X and W costs is the same in every draw; only that of G is random.
        for which, one in enumerate(found):
            sums[which] += one / number
            if seed == 0:
                single[which] = one
    codes, scales = product.quantize_rows(weight.detach(), None)
    input_codes, input_scales = product.quantize_rows(inputs.detach(), None)
    exact = (grad @ (codes * scales), grad.t() @ (input_codes * input_scales))
    for mean, one, expected in zip(sums, single, exact, strict=True):
        assert relative(mean, expected) < 1.3 * relative(one, expected) / number**0.5


def test_shorter_sums_are_more_exact_where_few_tokens_have_large_gradients() -> None:
    inputs, grad = torch.randn(1024, 64), torch.randn(1024, 64) * torch.exp(1.5 * torch.randn(1024, 1))
    weight = torch.randn(64, 64, requires_grad=True)
    errors = {}
    for rows_at_most in (1024, 64):
        (found,) = torch.autograd.grad(int8(inputs, weight, None, rows_at_most=rows_at_most), weight, grad)
        errors[rows_at_most] = relative(found, grad.t() @ inputs)
    assert errors[64] < 0.6 * errors[1024]


def test_the_longest_sum_of_products_fits_in_32_bits() -> None:
    assert product.LONGEST_SUM * 127**2 < 2**31 <= (product.LONGEST_SUM + 1) * 127**2


@pytest.mark.parametrize("wants", [(True, True), (True, False), (False, True)])
def test_only_the_gradients_asked_for_are_computed(wants: tuple[bool, bool]) -> None:
    inputs, weight = torch.randn(2, 50, 40), torch.randn(48, 40)
    bias = torch.randn(48, requires_grad=True)
    inputs.requires_grad_(wants[0]), weight.requires_grad_(wants[1])
    out, grad = int8(inputs, weight, bias, smooth=torch.rand(40) + 0.5), torch.randn(2, 50, 48)
    out.backward(grad)
    assert (inputs.grad is not None) == wants[0]
    assert (weight.grad is not None) == wants[1]
    torch.testing.assert_close(bias.grad, grad.sum((0, 1)))
    if wants[0]:
        assert relative(inputs.grad, grad @ weight) < 0.03


def test_a_gradient_spread_from_one_number_is_right() -> None:
    inputs, weight = torch.randn(64, 40, requires_grad=True), torch.randn(48, 40, requires_grad=True)
    int8(inputs, weight, None).sum().backward()  # the gradient of a sum has strides of 0
    assert relative(inputs.grad, weight.sum(0).expand(64, 40)) < 0.02
    assert relative(weight.grad, inputs.sum(0).expand(48, 40)) < 0.02


def test_second_derivatives_are_refused() -> None:
    inputs, weight = torch.randn(64, 40, requires_grad=True), torch.randn(48, 40, requires_grad=True)
    (first,) = torch.autograd.grad(int8(inputs, weight, None).pow(2).sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_the_operators_describe_their_results_to_the_compiler() -> None:
    values, grad = torch.randn(64, 40), torch.randn(64, 48)
    inputs, weight = product.quantize_rows(values, None), product.quantize_rows(torch.randn(48, 40), None)
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(product.quantize_rows, (values, torch.rand(40)), test_utils=checks)
    torch.library.opcheck(product.linear, (*inputs, *weight, torch.rand(48), torch.bfloat16), test_utils=checks)
    seed = torch.tensor(3, dtype=torch.int32)
    for dtype in (torch.float32, None):
        arguments = (grad, list(inputs), list(weight), None, seed, 32, dtype)
        torch.library.opcheck(product.linear_backward, arguments, test_utils=checks)


@pytest.mark.parametrize("frozen", ["nothing", "inputs", "weight"])
def test_flop_counters_count_what_nn_linear_counts(frozen: str) -> None:
    counts = list[int]()
    for which in ("plain", "int8"):
        inputs = torch.randn(2, 50, 40, requires_grad=frozen != "inputs")
        weight = torch.randn(48, 40, requires_grad=frozen != "weight")
        with FlopCounterMode(display=False) as counter:
            out = int8(inputs, weight, None) if which == "int8" else torch.nn.functional.linear(inputs, weight)
            out.backward(torch.ones_like(out))
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_each_piece_of_the_gradient_has_a_dither_of_its_own() -> None:
    """Two pieces with the same numbers: with one dither their errors would be equal and add up in the weights."""
    generator = torch.Generator().manual_seed(0)
    piece, inputs = torch.randn(64, 48, generator=generator), torch.randn(64, 40, generator=generator)
    weight = torch.randn(48, 40, generator=generator)
    given = inputs.repeat(2, 1).requires_grad_(), weight.requires_grad_()
    out = int8(*given, None, seed=5, rows_at_most=64)
    of_inputs, _ = torch.autograd.grad(out, given, piece.repeat(2, 1))
    assert not torch.equal(of_inputs[:64], of_inputs[64:])
    exact = piece @ weight.detach()
    alone, mean = ((of_inputs[:64] - exact).norm(), ((of_inputs[:64] + of_inputs[64:]) / 2 - exact).norm())
    assert mean < 0.85 * alone  # independent errors: 0.71 on average; equal ones: 1
