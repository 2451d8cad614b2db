"""Attention written by hand in the ways people write it: fused where it is attention, plain where it is not."""

import math
from collections.abc import Callable

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten import Stop, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import Progress
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.techniques.forward.attention import attention_expr as chains
from hasten.techniques.forward.attention.lazy_scores import Scores
from hasten.techniques.forward.attention.products import product_order
from hasten.techniques.forward.attention.tracing import Recognizing, outcomes
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import block_task, mlp_task

LENGTH, WIDTH = 7, 5
PAST = torch.ones(LENGTH, LENGTH).tril()
LOWEST = torch.finfo(torch.float32).min
Parts = tuple[Tensor, Tensor, Tensor]


def gpt(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As in nanoGPT (Karpathy, 2022)."""
    att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
    att = att.masked_fill(PAST[None, None, : q.size(2), : q.size(2)] == 0, float("-inf"))
    att = F.dropout(F.softmax(att, dim=-1), 0.1, training=False)
    return att @ v


def gpt2(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As in transformers (Hugging Face) before 4.48."""
    weights = torch.matmul(q, k.transpose(-1, -2))
    weights = weights / torch.full([], k.size(-1) ** 0.5, dtype=weights.dtype, device=weights.device)
    weights = torch.where(PAST.bool(), weights.to(weights.dtype), torch.full([], LOWEST, dtype=weights.dtype))
    weights = weights + torch.linspace(-1, 0, LENGTH).view(1, 1, 1, -1)
    weights = nn.functional.softmax(weights, dim=-1).type(v.dtype)
    return torch.matmul(nn.Dropout(0.0)(weights), v)


def in_place(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ k.mT
    scores /= math.sqrt(k.size(-1))
    scores.masked_fill_(~PAST.bool(), -1e9)
    return scores.softmax(dim=3).matmul(v)


def added(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    future = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    return torch.softmax(q * WIDTH**-0.5 @ k.transpose(2, 3) + future, -1) @ v


def letters(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Heads last, as in einops-styled code."""
    q, k, v = (one.transpose(1, 2) for one in (q, k, v))
    weights = torch.einsum("bihd, bjhd -> bhij", q, k).mul(0.3).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, v).transpose(1, 2)


def one_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (one.flatten(0, 1) for one in (q, k, v))
    scores = torch.bmm(q, k.transpose(1, 2)) / torch.tensor(2.0)
    mask = (torch.arange(LENGTH) > 4).expand(len(q), LENGTH, LENGTH)
    return torch.bmm(nn.Softmax(dim=-1)(scores.masked_fill(mask, -torch.inf)), v).unflatten(0, (2, 3))


def own_mask(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Two masks, one for each sample, and a temperature that is a tensor."""
    hidden = torch.zeros(2, 1, 1, LENGTH, dtype=torch.bool)
    hidden[1, ..., 5:] = True
    scores = 2 * (q @ k.transpose(-1, -2)) * q.detach().std()
    return scores.masked_fill(hidden, -torch.inf).masked_fill(PAST == 0, -torch.inf).float().softmax(-1).to(v) @ v


WRITTEN = (gpt, gpt2, in_place, added, letters, one_head, own_mask)


def parts(dtype: torch.dtype = torch.float32, seed: int = 0) -> Parts:
    """Queries, keys and values of two samples and three heads."""
    made = torch.randn(3, 2, 3, LENGTH, WIDTH, generator=torch.Generator().manual_seed(seed)).to(dtype)
    q, k, v = (one.clone().requires_grad_() for one in made)
    return q, k, v


def with_gradients(attention: Callable[..., Tensor], given: Parts) -> list[Tensor]:
    made = attention(*given)
    made.square().sum().backward()
    return [made, *(one.grad for one in given if one.grad is not None)]


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each fused attention was told that its mask is the causal one."""
    told: list[bool] = []
    kernel = F.scaled_dot_product_attention

    def note(*args: Tensor, is_causal: bool = False, **options: object) -> Tensor:
        told.append(is_causal)
        return kernel(*args, is_causal=is_causal, **options)

    monkeypatch.setattr(chains.F, "scaled_dot_product_attention", note)
    return told


@pytest.mark.parametrize("attention", WRITTEN)
def test_agrees_with_what_is_written(attention: Callable[..., Tensor], kernels: list[bool]) -> None:
    plain = with_gradients(attention, parts())
    with Recognizing():
        fused = with_gradients(attention, parts())
    assert kernels == [attention in (gpt, in_place, added)]
    assert type(fused[0]) is Tensor
    for mine, theirs in zip(fused, plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attention", [gpt, gpt2, letters])
def test_agrees_under_autocast(attention: Callable[..., Tensor], kernels: list[bool]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        plain = with_gradients(attention, parts())
        with Recognizing():
            fused = with_gradients(attention, parts())
    assert len(kernels) == 1
    assert fused[0].dtype == plain[0].dtype == torch.bfloat16
    exact = with_gradients(attention, parts())
    for mine, theirs, truth in zip(fused, plain, exact, strict=True):
        assert (mine - truth).norm() <= 1.5 * (theirs - truth).norm()


def looked_at(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = (q @ k.transpose(-2, -1)).softmax(-1)
    return weights @ v + weights.mean()


def sliced(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1)).softmax(-1)[..., :3] @ v[..., :3, :]


def over_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1)).softmax(-2) @ v


def late_scale(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((q @ k.transpose(-2, -1)).softmax(-1) * 2) @ v


def high_fill(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1)).masked_fill(PAST == 0, -1.0).softmax(-1) @ v


def linear(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q @ k.transpose(-2, -1) @ v / LENGTH


def other_grad_mode(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1)
    with torch.no_grad():
        return scores.softmax(-1) @ v + 0 * q + q.detach()


NOT_FUSED = (sliced, over_queries, late_scale, high_fill, linear)


@pytest.mark.parametrize("attention", [*NOT_FUSED, looked_at])
def test_what_is_no_attention_has_its_very_bits(attention: Callable[..., Tensor], kernels: list[bool]) -> None:
    plain = with_gradients(attention, parts())
    with Recognizing():
        other = with_gradients(attention, parts())
    assert len(kernels) == (attention is looked_at)
    for mine, theirs in zip(other, plain, strict=True):
        if attention is looked_at:
            torch.testing.assert_close(mine, theirs)
        else:
            assert torch.equal(mine, theirs)


def test_dropout_that_drops_keeps_its_random_numbers(kernels: list[bool]) -> None:
    def dropped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        torch.manual_seed(3)
        return F.dropout((q @ k.transpose(-2, -1)).softmax(-1), 0.5) @ v

    plain = dropped(*parts())
    with Recognizing():
        assert torch.equal(dropped(*parts()), plain)
    assert not kernels


def test_scores_tell_their_shape_format_and_place_without_being_computed() -> None:
    q, k, _ = parts()
    with Recognizing(), torch.autocast("cpu", torch.bfloat16):
        scores = q @ k.transpose(-2, -1)
        assert isinstance(scores, Scores)
        assert scores.shape == scores.size() == (2, 3, LENGTH, LENGTH)
        assert scores.dtype == torch.bfloat16
        assert scores.softmax(-1).dtype == (q @ k.transpose(-2, -1)).sum().new_ones(1, 1).softmax(-1).dtype
        assert scores.softmax(-1, dtype=torch.float64).dtype == scores.double().dtype == torch.float64
        assert (scores.ndim, scores.device.type, len(scores)) == (4, "cpu", 2)
        assert scores.made is None
    assert torch.equal(scores.sum(), scores.made.sum())
    assert scores.made.dtype == torch.bfloat16  # as written, although autocast is off by now


def test_a_change_in_place_of_what_scores_come_from_is_refused() -> None:
    q, k, v = (one.detach() for one in parts())
    with Recognizing():
        scores = q @ k.transpose(-2, -1)
        q.mul_(2)
        with pytest.raises(BadInput, match="was changed in place"):
            scores.softmax(-1) @ v


def test_orders_of_einsum() -> None:
    assert product_order("bhid", "bhjd", "bhij") == ([0, 1, 2, 3], [0, 1, 3, 2], [0, 1, 2, 3])
    assert product_order("bid", "bjd", "bji") == ([0, 1, 2], [0, 2, 1], [0, 2, 1])
    for letters_of_none in (
        ("bid", "bjd", "bi"),
        ("bid", "bjd", "bijd"),
        ("bii", "bji", "bij"),
        ("bid", "cjd", "bcij"),
    ):
        assert product_order(*letters_of_none) is None


class Written(nn.Module):
    """A block of tokens with attention written by hand."""

    def __init__(self, attention: Callable[..., Tensor] = gpt, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 12), nn.Linear(12, 11)
        self.attend = nn.ModuleList(OneAttention(attention, dropout) for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for attend in self.attend:
            x = x + attend(x)
        return self.head(x)


class OneAttention(nn.Module):
    def __init__(self, attention: Callable[..., Tensor], dropout: float) -> None:
        super().__init__()
        self.project, self.attention, self.drop = nn.Linear(12, 36), attention, nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (one.unflatten(-1, (3, 4)).transpose(1, 2) for one in self.project(x).chunk(3, -1))
        return self.drop(self.attention(q, k, v).transpose(1, 2).flatten(2))


def test_training_agrees_and_undo_leaves_the_model_as_it_was(kernels: list[bool]) -> None:
    recipe = baseline(block_task(model=lambda: Written(dropout=0.1), update=Update(optimizer="sgd", lr=0.5)))
    assert make("sdpa").refuse(recipe, facts()) is None
    plain = build(recipe)
    list(train(plain))
    run = build(make("sdpa").apply(recipe))
    kernels.clear()
    list(train(run))
    assert kernels
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    kinds = [type(module) for module in plain_model(run).modules()]
    assert kinds == [type(module) for module in Written().modules()]


@pytest.mark.parametrize(
    "name",
    [
        *("activation_checkpointing", "int8_saved", "bf16"),
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (
                *("activation_checkpointing_selective", "activation_checkpointing_budget"),
                *("lossless_saved", "micro_batch"),
            )
        ),
    ],
)
def test_goes_together_with_what_else_is_done_to_the_pass(name: str, kernels: list[bool]) -> None:
    knobs = {"activation_checkpointing_budget": {"budget": 0.95}}.get(name, {})
    recipe = baseline(block_task(model=lambda: Written(dropout=0.1), batch_size=20, stop=Stop(epochs=2)))
    other = make(name, knobs)
    able = msgspec.structs.replace(facts(), isa=("avx512_bf16",))  # bfloat16 is computed anywhere, if slowly
    assert other.refuse(recipe, able) is None
    losses: list[list[float]] = []
    for chosen in ([other], [make("sdpa"), other]):
        run = build(apply_all(chosen, recipe, able))
        kernels.clear()
        losses.append([loss for event in train(run) if isinstance(event, Progress) for loss in event.losses])  # type: ignore[misc]
        assert bool(kernels) == (len(chosen) == 2)
        plain_model(run).load_state_dict(Written(dropout=0.1).state_dict())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3 if name != "bf16" else 2e-2)


def test_refuses_with_what_kept_attention_from_the_kernel() -> None:
    def reason(attention: Callable[..., Tensor]) -> str:
        why = make("sdpa").refuse(baseline(block_task(model=lambda: Written(attention))), facts())
        assert why is not None
        return why

    def dropped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.dropout((q @ k.transpose(-2, -1)).softmax(-1), 0.5) @ v

    assert "'attend.0' stays as it is: dropout on its weights draws" in reason(dropped)
    assert "something else is done with its weights" in reason(sliced)
    assert "on two samples, the gradient of 'embed.weight' is off" in reason(lost)
    none = make("sdpa").refuse(baseline(mlp_task()), facts())
    assert none is not None
    assert "no nn.MultiheadAttention, and no attention is written by hand" in none


class Detour(torch.autograd.Function):
    """What takes scores past torch's functions, where their gradient cannot be followed."""

    @staticmethod
    def forward(ctx: object, scores: Tensor) -> Tensor:
        return scores * 2

    @staticmethod
    def backward(ctx: object, *slopes: Tensor) -> Tensor:
        return slopes[0] * 2


def lost(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    half = (q @ k.transpose(-2, -1)).softmax(-1) @ v
    scores: Tensor = Detour.apply(q @ k.transpose(-2, -1))
    return half + scores.softmax(-1) @ v


def test_each_module_with_attention_is_found_by_name() -> None:
    model = Written(looked_at)
    found = outcomes(model, lambda: model(torch.arange(14).view(2, 7) % 11))
    assert found == {"attend.0": [None], "attend.1": [None]}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_model_returns_what_it_returns_while_it_is_looked_at() -> None:
    made = list[Tensor]()
    outcomes(model := nn.Linear(2, 3), lambda: made.append(model(torch.ones(1, 2)).sum()))
    assert made[0].isfinite()


def test_compiled_code_is_left_to_the_compiler(kernels: list[bool]) -> None:
    recipe = baseline(block_task(model=Written))
    run = build(make("sdpa").apply(recipe))
    kernels.clear()
    tokens = torch.arange(14).view(2, 7) % 11
    graphs: list[torch.fx.GraphModule] = []

    def note(graph: torch.fx.GraphModule, inputs: object) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    torch.testing.assert_close(torch.compile(run.model, backend=note)(tokens), build(recipe).model(tokens))
    assert len(graphs) == 1
    assert not kernels
