"""Recomputed blocks give the bits of plain ones, dropout included, and keep less."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

import hasten
from hasten import Choice, Plan, Stop
from hasten.machine import facts
from hasten.measurement.saved import saved_bytes
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import block_task, mlp_task

NAMES = ("activation_checkpointing", "activation_checkpointing_selective")


@pytest.mark.parametrize("name", NAMES)
def test_training_is_equal_bit_for_bit(name: str) -> None:
    recipe = baseline(block_task(dropout=0.3))
    plain = build(recipe)
    list(train(plain))
    run = build(make(name).apply(recipe))  # seeds the generators, from which dropout draws
    list(train(run))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)
    left = plain_model(run)
    assert [type(module) for module in left.modules()] == [type(module) for module in plain.model.modules()]


def test_less_is_kept_the_selective_kind_between() -> None:
    kept: dict[str, int] = {}
    for name in ("plain", *NAMES):
        recipe = baseline(block_task())
        run = build(recipe if name == "plain" else make(name).apply(recipe))
        batch = next(run.batches())[1]
        kept[name] = saved_bytes(lambda run=run, batch=batch: run.predict(batch), exclude=[*run.parameters, *batch])
    assert kept["activation_checkpointing"] < kept["plain"] / 3
    assert kept["activation_checkpointing_selective"] <= kept["plain"]


def test_a_model_without_blocks_is_refused() -> None:
    for name in NAMES:
        assert "no list or sequence of blocks" in make(name).refuse(baseline(mlp_task()), facts())


class Noisy(nn.Module):
    """Adds noise that numpy draws, whose gradient is the same whatever it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_numpy(np.random.randn(*x.shape)).float()


class OwnGenerator(nn.Module):
    """Multiplies by noise from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rand(x.shape, generator=self.generator)


class OwnBuffer(nn.Module):
    """Divides by the running maximum, kept in a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("largest", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.largest = 0.9 * self.largest + x.detach().abs().amax()
        return x / self.largest


class Counting(nn.Module):
    """Counts its calls in a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


class Caching(nn.Module):
    """Attends to what it has seen so far, as the key-value cache of a GPT-2 does when `use_cache` is on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen = [*self.seen, x.detach().mean()] if self.training else []
        return x + torch.stack(self.seen).sum() if self.seen else x


CHANGING: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "batch norm": (lambda: nn.BatchNorm1d(7), "the buffer 'blocks.0.1.running_mean'"),
    "instance norm": (lambda: nn.InstanceNorm1d(7, track_running_stats=True), "the buffer 'blocks.0.1.running_mean'"),
    "spectral norm": (lambda: spectral_norm(nn.Linear(12, 12)), "blocks.0.1.parametrizations.weight"),
    "numpy noise": (Noisy, "the state of numpy's generator"),
    "own generator": (OwnGenerator, "the attribute 'blocks.0.1.generator'"),
    "own buffer": (OwnBuffer, "the buffer 'blocks.0.1.largest'"),
    "counter": (Counting, "the attribute 'blocks.0.1.calls'"),
    "cache": (Caching, "the attribute 'blocks.0.1.seen'"),
}


class Stack(nn.Module):
    """An embedding, a list with one block, and a head."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 12)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(12, 12), layer, nn.Linear(12, 12))])
        self.head = nn.Linear(12, 11)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.mark.parametrize("name", [*NAMES, "activation_checkpointing_budget"])
@pytest.mark.parametrize("kind", CHANGING)
def test_blocks_that_change_when_they_run_twice_are_refused(kind: str, name: str) -> None:
    layer, what = CHANGING[kind]
    why = make(name).refuse(baseline(block_task(model=lambda: Stack(layer()))), facts())
    assert why is not None
    assert what in why
    assert why.startswith("recomputing the blocks changes")


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.BatchNorm1d(7, track_running_stats=False),
        lambda: nn.InstanceNorm1d(7),
        lambda: nn.Dropout(0.5),
        lambda: nn.LayerNorm(12),
        lambda: weight_norm(nn.Linear(12, 12)),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_blocks_that_do_not_change_are_recomputed_with_the_same_bits(layer: Callable[[], nn.Module], name: str) -> None:
    recipe = baseline(block_task(model=lambda: Stack(layer()), stop=Stop(steps=5)))
    assert make(name).refuse(recipe, facts()) is None
    plain, run = build(recipe), None
    list(train(plain))
    run = build(make(name).apply(recipe))
    list(train(run))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)


class WithCache(nn.Module):
    """A block of GPT-2 as transformers calls it: keyword arguments, and a cache that each call of it extends."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(12), nn.Linear(12, 36), nn.Linear(12, 12)

    def forward(self, states: Tensor, *, past: list[tuple[Tensor, Tensor]], use_cache: bool) -> Tensor:
        q, k, v = self.qkv(self.norm(states)).chunk(3, -1)
        if use_cache:
            past.append((k, v))
            k, v = torch.cat([one for one, _ in past], 1), torch.cat([one for _, one in past], 1)
        return states + self.out(nn.functional.scaled_dot_product_attention(q, k, v))


class LikeGPT2(nn.Module):
    """The structure of `transformers.GPT2Model`: the cache is made in the forward pass and handed to every block."""

    def __init__(self, *, use_cache: bool) -> None:
        super().__init__()
        self.wte, self.h, self.head = nn.Embedding(11, 12), nn.ModuleList([WithCache()]), nn.Linear(12, 11)
        self.use_cache = use_cache

    def forward(self, x: Tensor) -> Tensor:
        states, past = self.wte(x), list[tuple[Tensor, Tensor]]()
        for block in self.h:
            states = block(states, past=past, use_cache=self.use_cache)
        return self.head(states)


@pytest.mark.parametrize("name", NAMES)
def test_a_gpt2_with_a_cache_is_refused_before_training_and_one_without_trains(name: str) -> None:
    with_cache = baseline(block_task(model=lambda: LikeGPT2(use_cache=True)))
    assert "recomputing the blocks failed" in make(name).refuse(with_cache, facts())
    without = block_task(model=lambda: LikeGPT2(use_cache=False), stop=Stop(steps=2))
    hasten.train(without, Plan(task=without.name, choices=(Choice(technique=name),)), runs=None)


@pytest.mark.parametrize("name", NAMES)
def test_a_gpt2_of_transformers_is_refused_or_trains(name: str) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = transformers.GPT2Config(vocab_size=11, n_positions=8, n_embd=12, n_layer=2, n_head=2)
            self.model = transformers.GPT2LMHeadModel(config)

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x).logits

    task = block_task(model=Scores, stop=Stop(steps=2))
    if make(name).refuse(baseline(task), facts()) is None:
        hasten.train(task, Plan(task=task.name, choices=(Choice(technique=name),)), runs=None)
