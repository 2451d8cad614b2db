"""Attention by products gives what the kernel gives, and is used only where it can be."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten import Task, Update
from hasten.machine import facts
from hasten.techniques.forward.attention.in_products import KERNEL, in_place_of_kernel, in_products, served
from hasten.techniques.forward.math_attention import MathAttention
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

from tiny_tasks import block_task


def heads(*shape: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "blocks"), [(7, 4), (8, 4), (9, 2), (5, 8), (1, 4), (6, 1)])
def test_it_is_the_written_formula(length: int, blocks: int, causal: bool) -> None:
    q, k, v = heads(2, 3, length, 4)
    scores = q @ k.transpose(-2, -1) / 2
    if causal:
        scores = scores + torch.full((length, length), -torch.inf, dtype=torch.float64).triu(1)
    expected = scores.softmax(-1) @ v
    found = in_products(q, k, v, causal=causal, scale=None, blocks=blocks)
    assert torch.allclose(found, expected)
    weight = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad((found * weight).sum(), (q, k, v)),
        torch.autograd.grad((expected * weight).sum(), (q, k, v)),
        strict=True,
    ):
        assert torch.allclose(ours, theirs)


@pytest.mark.parametrize(("queries", "keys"), [(5, 9), (9, 5)])
def test_queries_and_keys_may_differ_in_number(queries: int, keys: int) -> None:
    q = heads(2, queries, 4)[0]
    _, k, v = heads(2, keys, 4, seed=1)
    for causal in (False, True):
        found = in_products(q, k, v, causal=causal, scale=0.3, blocks=4)
        assert torch.allclose(found, KERNEL(q, k, v, is_causal=causal, scale=0.3))


def test_what_it_cannot_do_is_left_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten.techniques.forward.attention.in_products.in_products", None)
    attend, (q, k, v) = served(blocks=4, longest=8), heads(2, 8, 4)
    mask = torch.ones(8, 8, dtype=torch.bool).tril()
    assert torch.equal(attend(q, k, v, mask), KERNEL(q, k, v, mask))
    assert torch.equal(attend(q, k, v, attn_mask=mask), KERNEL(q, k, v, attn_mask=mask))
    assert attend(q, k, v, dropout_p=0.5).shape == v.shape
    long = heads(2, 9, 4)
    assert torch.equal(attend(*long), KERNEL(*long))
    with torch.no_grad():
        assert torch.equal(attend(q, k, v), KERNEL(q, k, v))
    with pytest.raises(TypeError):
        attend(q, k, v)


def test_the_function_of_torch_comes_back_also_after_an_error() -> None:
    attend = served(blocks=1, longest=8)
    with pytest.raises(RuntimeError, match="planted"), in_place_of_kernel(attend):
        assert F.scaled_dot_product_attention is attend
        raise RuntimeError("planted")
    assert F.scaled_dot_product_attention is KERNEL


class Attending(nn.Module):
    """Causal attention over tokens, then a score for each class."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed, self.mix, self.head, self.dropout = (
            nn.Embedding(11, 12),
            nn.Linear(12, 36),
            nn.Linear(12, 11),
            dropout,
        )

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (3, 4)).transpose(1, 2) for part in self.mix(self.embed(tokens)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout, is_causal=True)
        return self.head(mixed.transpose(1, 2).flatten(2))


def attending(dropout: float = 0.0) -> Task:
    return block_task(name="tiny-attention", model=lambda: Attending(dropout), update=Update(optimizer="sgd", lr=0.1))


def test_a_training_with_it_is_the_same_but_for_rounding() -> None:
    plain = baseline(attending())
    recipe = MathAttention().apply(plain)
    assert MathAttention().refuse(plain, facts()) is None
    ends: list[dict[str, Tensor]] = []
    for one in (plain, recipe):
        run = build(one)
        for _ in train(run):
            pass
        ends.append(run.model.state_dict())
        assert F.scaled_dot_product_attention is KERNEL
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=1e-5), name
    assert not all(torch.equal(value, ends[1][name]) for name, value in ends[0].items()), "another way was taken"


def test_it_says_why_it_cannot_help() -> None:
    plain = baseline(attending())
    assert "F.scaled_dot_product_attention" in str(MathAttention().refuse(baseline(block_task()), facts()))
    assert "drops weights" in str(MathAttention().refuse(baseline(attending(0.1)), facts()))
    assert "more than 4" in str(MathAttention(longest=4).refuse(plain, facts()))
    on_gpu = replace(plain, parallel=replace(plain.parallel, device="cuda"))
    assert "cuda" in str(MathAttention().refuse(on_gpu, facts()))


def test_compiled_code_takes_the_products_too_in_one_graph() -> None:
    q, k, v = (one.detach().float().requires_grad_() for one in heads(2, 3, 16, 4))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    with in_place_of_kernel(served(blocks=4, longest=64)):
        found = torch.compile(attend, backend="aot_eager", fullgraph=True)(q, k, v)
    assert torch.equal(found, in_products(q, k, v, causal=True, scale=None, blocks=4))
    assert torch.allclose(found, attend(q, k, v), atol=1e-5)
