"""The attention kernel's C++ on any CPU: its AVX-512 instructions are written out one number at a time."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_attention_kernel import assert_near, heads, in_float64
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from hasten.machine.facts import compiler_path
from hasten.techniques.forward.attention import in_kernel

EMULATED = replace(in_kernel.KERNELS, flags=(f"-I{Path(__file__).with_name('emulated')}", "-fpermissive"))


@pytest.fixture(autouse=True, scope="module")
def _emulated() -> object:
    if compiler_path() is None:
        pytest.skip("no C++ compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_kernel, "KERNELS", EMULATED)
        yield


def by_kernel(q: Tensor, k: Tensor, v: Tensor, grad: Tensor, *, causal: bool, scale: float) -> list[Tensor]:
    out, log_sums = in_kernel.attention(q, k, v, causal, scale)
    return [out, *in_kernel.attention_backward(grad, q, k, v, log_sums, causal, scale)]


@settings(max_examples=25, deadline=None)
@given(
    B=st.integers(1, 2),
    H=st.integers(1, 2),
    Q=st.integers(1, 100),
    K=st.integers(1, 100),
    D=st.sampled_from([32, 64]),
    causal=st.booleans(),
    by_position=st.booleans(),
)
def test_output_and_gradients_are_those_of_the_formula(
    B: int, H: int, Q: int, K: int, D: int, causal: bool, by_position: bool
) -> None:
    q, grad = (heads(B, H, Q, D, by_position=by_position, seed=seed) for seed in (1, 2))
    k, v = (heads(B, H, K, D, by_position=not by_position, seed=seed) for seed in (3, 4))
    found = by_kernel(q, k, v, grad, causal=causal, scale=0.3)
    assert_near(found, in_float64(q, k, v, grad, causal=causal, scale=0.3))


@pytest.mark.parametrize("length", [1, 65, *(pytest.param(one, marks=pytest.mark.slow) for one in (7, 63))])
@pytest.mark.parametrize("causal", [False, True])
def test_queries_that_only_fill_a_block_leave_nothing_in_the_gradients(length: int, causal: bool) -> None:
    """After a head's last query come those of the next head in memory, here NaN: nothing of them may be read."""
    q, k, v, grad = (heads(1, 3, length, 32, seed=seed, by_position=False) for seed in range(4))
    q[:, 1:] = torch.nan
    grad[:, 1:] = torch.nan
    found = by_kernel(q, k, v, grad, causal=causal, scale=0.2)
    assert_near(
        [one[:, :1] for one in found],
        in_float64(*(one[:, :1] for one in (q, k, v, grad)), causal=causal, scale=0.2),
    )


def test_its_operations_are_counted_as_the_products_that_it_stands_for() -> None:
    with FakeTensorMode():
        q, k, v = (torch.empty(2, 3, length, 32, dtype=torch.bfloat16) for length in (40, 56, 56))
        with FlopCounterMode(display=False) as forward:
            out, log_sums = in_kernel.attention(q, k, v, False, 1.0)
        with FlopCounterMode(display=False) as backward:
            in_kernel.attention_backward(out, q, k, v, log_sums, False, 1.0)
        with FlopCounterMode(display=False) as products:
            (q @ k.transpose(-2, -1)) @ v
    assert forward.get_total_flops() == products.get_total_flops() == 2 * 2 * 2 * 3 * 40 * 56 * 32
    assert backward.get_total_flops() == 2.5 * products.get_total_flops()  # five products: scores, dP, dV, dQ, dK
