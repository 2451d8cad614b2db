"""Attention by the kernel of our own gives what float64 gives, whatever the sizes and the layout."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from hasten import Task, Update
from hasten.machine import facts
from hasten.techniques import native
from hasten.techniques.applying import apply_all, make
from hasten.techniques.forward.attention import in_kernel
from hasten.techniques.forward.attention.in_kernel import FusedAttention, by_kernel, unsupported
from hasten.techniques.forward.attention.in_products import KERNEL, in_place_of_kernel
from hasten.techniques.forward.cpu_flash_attention import CpuFlashAttention
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

from tiny_tasks import block_task

needs_kernel = pytest.mark.skipif(unsupported() is not None, reason=f"{unsupported()}")


def heads(B: int, H: int, T: int, D: int, *, by_position: bool = True, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if by_position:
        return torch.randn(B, T, H, D, generator=generator).bfloat16().transpose(1, 2)
    return torch.randn(B, H, T, D, generator=generator).bfloat16()


def in_float64(q: Tensor, k: Tensor, v: Tensor, grad: Tensor, *, causal: bool, scale: float) -> list[Tensor]:
    """Return output and gradients by the written formula."""
    q, k, v = (one.detach().double().requires_grad_() for one in (q, k, v))
    scores = q @ k.transpose(-2, -1) * scale
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    out = scores.softmax(-1) @ v
    return [out.detach(), *torch.autograd.grad(out, (q, k, v), grad.double())]


def assert_near(found: list[Tensor], expected: list[Tensor]) -> None:
    """Off by no more than rounding operands and results to bfloat16 takes; a gradient that is zero by a little."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.bfloat16
        assert (ours.double() - theirs).norm() <= 0.006 * theirs.norm() + 1e-3


@needs_kernel
@settings(max_examples=40, deadline=None)
@given(
    B=st.integers(1, 3),
    H=st.integers(1, 3),
    Q=st.integers(1, 150),
    K=st.integers(1, 150),
    D=st.sampled_from([32, 64, 96]),
    causal=st.booleans(),
    by_position=st.booleans(),
    threads=st.integers(1, 3),
)
def test_output_and_gradients_are_those_of_the_formula(
    B: int, H: int, Q: int, K: int, D: int, causal: bool, by_position: bool, threads: int
) -> None:
    q, grad = (heads(B, H, Q, D, by_position=by_position, seed=seed).requires_grad_() for seed in (1, 2))
    k, v = (heads(B, H, K, D, by_position=not by_position, seed=seed).requires_grad_() for seed in (3, 4))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out = FusedAttention.apply(q, k, v, causal, 0.3)
        found = [out.detach(), *torch.autograd.grad(out, (q, k, v), grad.detach())]
    finally:
        torch.set_num_threads(before)
    assert_near(found, in_float64(q, k, v, grad.detach(), causal=causal, scale=0.3))


@needs_kernel
def test_parts_of_one_tensor_and_a_gradient_in_another_order_are_read_where_they_lie() -> None:
    mixed = torch.randn(2, 40, 3 * 2 * 32, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    q, k, v = (part.view(2, 40, 2, 32).transpose(1, 2) for part in mixed.chunk(3, -1))
    grad = torch.randn(2, 2, 32, 40).bfloat16().transpose(-2, -1)
    out = by_kernel(q, k, v, is_causal=True)
    assert out.transpose(1, 2).is_contiguous(), "layers after it flatten the heads without a copy"
    expected = in_float64(q, k, v, grad, causal=True, scale=32**-0.5)
    assert_near([out.detach()], expected[:1])
    whole = torch.cat([one.transpose(1, 2).flatten(2) for one in expected[1:]], -1)
    assert_near(list(torch.autograd.grad(out, mixed, grad)), [whole])


@needs_kernel
def test_float32_is_rounded_to_bfloat16_and_comes_back() -> None:
    q, k, v = (heads(2, 2, 20, 32, seed=seed).float().requires_grad_() for seed in range(3))
    found = by_kernel(q, k, v, is_causal=True)
    short = [one.detach().bfloat16().requires_grad_() for one in (q, k, v)]
    expected = by_kernel(*short, is_causal=True)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected.float())
    for ours, theirs in zip(
        torch.autograd.grad(found.sum(), (q, k, v)), torch.autograd.grad(expected.sum(), short), strict=True
    ):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs.float())


@needs_kernel
def test_large_scores_do_not_overflow_and_nan_stays_in_its_head() -> None:
    q, k, v = (heads(1, 2, 20, 32, seed=seed).clone().requires_grad_() for seed in range(3))
    large = by_kernel(q * 1000, k, v, scale=1.0)
    assert_near([large.detach()], in_float64((q * 1000).detach(), k, v, v.detach(), causal=False, scale=1.0)[:1])
    with torch.no_grad():
        q[0, 1, 3, 0] = torch.nan
    found = by_kernel(q, k, v)
    assert found[0, 1, 3].isnan().all()
    assert found[0, 0].isfinite().all()
    assert found[0, 1, 4].isfinite().all()


def test_what_it_cannot_do_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_kernel, "FusedAttention", None)
    q, k, v = (heads(1, 2, 8, 32, seed=seed).requires_grad_() for seed in range(3))
    mask = torch.ones(8, 8, dtype=torch.bool).tril()
    assert torch.equal(by_kernel(q, k, v, mask), KERNEL(q, k, v, mask))
    assert by_kernel(q, k, v, dropout_p=0.5).shape == v.shape
    assert torch.equal(by_kernel(q.double(), k.double(), v.double()), KERNEL(q.double(), k.double(), v.double()))
    assert by_kernel(q[..., :16], k[..., :16], v[..., :16]).shape == (1, 2, 8, 16)
    assert by_kernel(q[0], k[0], v[0]).shape == (2, 8, 32)
    assert torch.equal(by_kernel(q, k, v, scale=-1.0), KERNEL(q, k, v, scale=-1.0))
    with torch.no_grad():
        assert torch.equal(by_kernel(q, k, v), KERNEL(q, k, v))
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'apply'"):
        by_kernel(q, k, v)


class Attending(nn.Module):
    """Causal attention over tokens, then a score for each class."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(11, 12), nn.Linear(12, 6 * width), nn.Linear(2 * width, 11)
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        mixed = self.mix(self.embed(tokens)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (2, self.width)).transpose(1, 2) for part in mixed)
        return self.head(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


def attending(width: int = 32) -> Task:
    return block_task(name="tiny-heads", model=lambda: Attending(width), update=Update(optimizer="sgd", lr=0.1))


@needs_kernel
def test_a_training_with_it_is_the_same_but_for_rounding_to_bfloat16() -> None:
    plain = baseline(attending())
    ends: list[dict[str, Tensor]] = []
    for names in ((), ("cpu_flash_attention",)):
        run = build(apply_all([make(name) for name in names], plain, facts()))
        for _ in train(run):
            pass
        ends.append(run.model.state_dict())
        assert F.scaled_dot_product_attention is KERNEL
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=0.02), name
    assert not all(torch.equal(value, ends[1][name]) for name, value in ends[0].items()), "another way was taken"


@needs_kernel
def test_compiled_code_calls_it_in_one_graph() -> None:
    q, k, v = (heads(2, 2, 16, 32, seed=seed).requires_grad_() for seed in range(3))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    with in_place_of_kernel(by_kernel):
        found = torch.compile(attend, backend="aot_eager", fullgraph=True)(q, k, v)
        slopes = torch.autograd.grad(found.float().square().sum(), (q, k, v))
    out = FusedAttention.apply(q, k, v, True, 32**-0.5)
    assert torch.equal(found, out)
    for ours, theirs in zip(slopes, torch.autograd.grad(out.float().square().sum(), (q, k, v)), strict=True):
        assert torch.equal(ours, theirs)


@needs_kernel
def test_it_says_why_it_cannot_help() -> None:
    plain, kernel = baseline(attending()), CpuFlashAttention()
    assert kernel.refuse(plain, facts()) is None
    assert "does not call F.scaled_dot_product_attention" in str(kernel.refuse(baseline(block_task()), facts()))
    assert "16 wide" in str(kernel.refuse(baseline(attending(16)), facts()))
    on_gpu = replace(plain, parallel=replace(plain.parallel, device="cuda"))
    assert "cuda" in str(kernel.refuse(on_gpu, facts()))


@pytest.fixture
def _anew() -> Iterator[None]:
    native.forget()
    unsupported.cache_clear()
    yield
    native.forget()
    unsupported.cache_clear()


@needs_kernel
@pytest.mark.usefixtures("_anew")
def test_it_refuses_a_machine_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "compiler_path", lambda: None)
    assert "no C++ compiler" in str(CpuFlashAttention().refuse(baseline(attending()), facts()))
