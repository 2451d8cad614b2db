"""Which blocks can be computed on some tokens of each sequence, and why others cannot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from divided_models import Between
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.machine.facts import facts
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.parallel.sequence import Tokens, tokens
from hasten.techniques.parallel.splitting import splitting
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import baseline

from tiny_tasks import block_task

WIDTH = 8


class Block(nn.Module):
    """A norm and an MLP, and something done to what they give."""

    def __init__(self, after: str = "") -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 16), nn.Linear(16, WIDTH)
        self.drop = nn.Dropout(0.5 if after == "dropout" else 0.0)
        self.after = after
        self.places = nn.Parameter(torch.randn(64, WIDTH)) if after == "places" else None
        self.other: Any = []

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.down(F.gelu(self.up(self.norm(x)))))
        if self.after == "mean":
            x = x + x.mean(1, keepdim=True)
        if self.places is not None:
            x = x + self.places[: x.shape[1]]
        if self.after == "weight from outside":
            x = x * self.other[0]
        if self.after == "path" and self.training:
            x = x * (torch.rand(len(x), 1, 1) > 0.5)
        return x


class Model(nn.Module):
    """Blocks between an embedding and an output layer."""

    def __init__(self, after: str = "", blocks: int = 2) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, WIDTH), nn.Linear(WIDTH, 11)
        self.blocks = nn.ModuleList(Block(after) for _ in range(blocks))
        self.scale = nn.Parameter(torch.ones(()))
        for block in self.blocks:
            assert isinstance(block, Block)
            block.other = [self.scale]
        self.after = after

    def forward(self, indices: Tensor) -> Tensor:
        x = self.embed(indices)
        between = list[Tensor]()
        for block in self.blocks:
            x = block(x)
            between.append(x)
        if self.after == "looked into":
            x = x + between[0].mean()
        if self.after == "weight of a block":
            x = x * self.get_parameter("blocks.0.norm.weight")
        return self.head(x) * self.scale


def found(model: Callable[[], nn.Module], parts: int = 2) -> Tokens | str:
    recipe = baseline(block_task(model=model))
    return tokens(recipe, parts, splitting(recipe, parts))


def test_blocks_that_follow_each_other_are_found_with_what_sees_some_tokens() -> None:
    one = found(Model)
    assert isinstance(one, Tokens)
    assert one.blocks == ("blocks.0", "blocks.1")
    assert [split.row for split in one.splits] == ["blocks.0.down", "blocks.1.down"]
    assert one.shared == ("blocks.0.norm.weight", "blocks.0.norm.bias", "blocks.1.norm.weight", "blocks.1.norm.bias")
    assert not one.draws
    dropping = found(lambda: Model("dropout"))
    assert isinstance(dropping, Tokens)
    assert dropping.draws
    for heads, whole in ((4, False), (2, True)):  # four parts of two heads: attention stays whole, and sees all tokens
        gpt = found(lambda heads=heads: GPT(11, Size(layers=2, width=8, heads=heads, length=7)), 4)
        assert isinstance(gpt, str) == whole


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ("mean", "not computed token by token"),
        ("places", "not computed token by token"),
        ("weight from outside", "the blocks use weights from outside of them"),
        ("weight of a block", "a weight of the blocks is used outside of them, too"),
        ("looked into", "the rest of the model looks into the blocks"),
        ("path", "otherwise than by nn.Dropout"),
    ],
)
def test_what_is_not_computed_token_by_token_is_refused(after: str, why: str) -> None:
    assert why in str(found(lambda: Model(after)))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            lambda: nn.Sequential(
                nn.Embedding(11, 8),
                nn.TransformerEncoder(
                    nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False
                ),
                nn.Linear(8, 11),
            ),
            "nn.MultiheadAttention takes whole sequences",
        ),
        (
            lambda: nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 11)),
            "no blocks with divided layers",
        ),
        (
            lambda: nn.Sequential(
                nn.Embedding(11, 8), Between(lambda x: x.mean(1)), Block(), Block(), nn.Linear(8, 11)
            ),
            "no blocks with divided layers",
        ),
    ],
    ids=["attention of torch", "no blocks", "no tokens"],
)
def test_models_without_such_blocks_are_told_why(model: Callable[[], nn.Module], why: str) -> None:
    assert why in str(found(model))


def test_the_technique_refuses_with_the_reason() -> None:
    for after, refused in (("", False), ("mean", True)):
        recipe = among(baseline(block_task(model=lambda after=after: Model(after))), Processes(0, 2))
        why = TensorParallel(sequence=True).refuse(recipe, facts())
        assert (why is not None) == refused
        assert why is None or "sequences cannot be divided by 2" in why


def test_looking_leaves_the_random_numbers_and_the_example_as_they_were() -> None:
    recipe = baseline(block_task(model=Model))
    before, model = torch.get_rng_state(), recipe.subject.model()
    state = {name: one.clone() for name, one in model.state_dict().items()}
    tokens(recipe, 2, splitting(recipe, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one, state[name]) for name, one in recipe.subject.model().state_dict().items())
