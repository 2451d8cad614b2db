"""Which linear layers are divided over processes: those, and only those, whose features are worked on one by one."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from divided_models import (
    AttendingGated,
    BeginningAsZero,
    Between,
    FusedAttention,
    Leaking,
    OtherRandom,
    Tied,
    Twice,
    Used,
    UsedWithoutGradient,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task
from hasten.machine.facts import facts
from hasten.techniques.parallel.own_numbers import install
from hasten.techniques.parallel.splitting import Split, Splitting, splitting
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline


def recipe_of(model: Callable[[], nn.Module], width: int = 8) -> Recipe:
    """Return a training of vectors of a model."""
    x = torch.randn(12, width, generator=torch.Generator().manual_seed(1))
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return baseline(
        Task(name="split", data=Data(train=data, valid=data), model=model, batch_size=4, stop=Stop(steps=2))
    )


def tokens_recipe(model: Callable[[], nn.Module]) -> Recipe:
    """Return a training of tokens of a model."""
    x = torch.randint(0, 11, (12, 7), generator=torch.Generator().manual_seed(1))
    data = Data(train=TensorDataset(x, x), valid=TensorDataset(x, x))
    loss = CrossEntropy(class_dim=-1)
    return baseline(
        Task(name="split", data=data, model=model, loss=loss, metric="loss", batch_size=4, stop=Stop(steps=2))
    )


def found(model: Callable[[], nn.Module], parts: int = 2) -> Splitting:
    return splitting(recipe_of(model), parts)


ONE_BY_ONE = {"relu": nn.ReLU, "gelu": nn.GELU, "in place": lambda: nn.SiLU(inplace=True), "tanh": nn.Tanh}
NOT = {
    "norm": lambda: nn.LayerNorm(12),
    "norm without parameters": lambda: nn.LayerNorm(12, elementwise_affine=False),
    "prelu": nn.PReLU,
    "softmax": lambda: nn.Softmax(-1),
    "flip": lambda: Between(lambda x: x.flip(-1)),
    "mean": lambda: Between(lambda x: x - x.mean(-1, keepdim=True)),
    "size": lambda: Between(lambda x: x / x.shape[-1]),
}
KINDS = {**ONE_BY_ONE, **NOT}


TRAINABLE = st.lists(st.sampled_from(sorted(KINDS)), max_size=2).filter(lambda kinds: "in place" not in kinds[1:])
"""Up to two functions; what is behind another one must not change its output, which the backward pass needs."""


@settings(max_examples=25, deadline=None)
@given(st.lists(TRAINABLE, min_size=1, max_size=4), st.sampled_from((2, 3)))
def test_layers_are_divided_just_where_all_between_works_one_by_one(between: list[list[str]], parts: int) -> None:
    def model() -> nn.Module:
        layers = [nn.Linear(8, 12)]
        for kinds in between:
            layers += [*(KINDS[kind]() for kind in kinds), nn.Linear(12, 12)]
        return nn.Sequential(*layers)

    places, place = [0], 0
    for kinds in between:
        place += len(kinds) + 1
        places.append(place)
    expected, taken = list[tuple[str, str]](), set[int]()
    for (one, two), kinds in zip(pairwise(places), between, strict=True):
        works = not set(kinds) & set(NOT) or sum(kind == "flip" for kind in kinds) == len(kinds) == 2
        if one not in taken and works:
            expected.append((str(one), str(two)))
            taken |= {one, two}
    splits = found(model, parts).splits
    assert [(one.columns[0], one.row) for one in splits] == expected


def test_attention_is_divided_by_its_heads_and_a_gated_mlp_by_its_features() -> None:
    splits = splitting(tokens_recipe(AttendingGated), 2).splits
    heads = (("attention", "num_heads"), ("attention", "num_key_heads"))
    names = tuple(f"attention.{name}" for name in ("query", "key", "value"))
    assert Split(names, "attention.out", heads=heads) in splits
    assert Split(("gate", "up"), "down") in splits
    eighths = splitting(tokens_recipe(AttendingGated), 8)
    assert [one.row for one in eighths.splits] == ["down"]
    assert "in 8 parts" in eighths.left["attention.out"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Leaking, "no other linear layer follows"),
        (Used, "is used elsewhere"),
        (UsedWithoutGradient, "the rest of the model computes something else"),
        (BeginningAsZero, "do not add up to the whole"),
        (Twice, "several times"),
        (Tied, "is also another layer's"),
        (OtherRandom, "not for them alone"),
        (lambda: nn.Sequential(nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 2)), "9 features cannot be divided by 2"),
    ],
)
def test_what_would_be_wrong_in_parts_stays_whole_with_the_reason(model: Callable[[], nn.Module], reason: str) -> None:
    seen = found(model)
    assert not seen.splits
    assert any(reason in why for why in seen.left.values()), seen.left


def test_queries_keys_and_values_in_one_layer_are_divided_each() -> None:
    splits = splitting(tokens_recipe(FusedAttention), 2).splits
    assert splits == (Split(("mix",), "out", pieces=3, heads=(("", "heads"),)),)


def test_a_gate_and_what_it_opens_in_one_layer_are_divided_each() -> None:
    gate = Between(lambda x: x[..., :12] * torch.sigmoid(x[..., 12:]))
    halves = Between(lambda x: torch.nn.functional.glu(x))
    for between in (gate, halves):
        seen = found(lambda between=between: nn.Sequential(nn.Linear(8, 24), between, nn.Linear(12, 2)))
        assert [one.pieces for one in seen.splits] == ([] if between is gate else [2])
    assert "the model fails" in found(lambda: nn.Sequential(nn.Linear(8, 24), gate, nn.Linear(12, 2))).left["0"]


def test_dropout_between_layers_is_noticed() -> None:
    with_dropout = found(lambda: nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 2)))
    assert [one.draws for one in with_dropout.splits] == [True]
    without = found(lambda: nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2)))
    assert [one.draws for one in without.splits] == [False]


def test_looking_leaves_the_random_numbers_and_the_example_as_they_were() -> None:
    recipe = recipe_of(lambda: nn.Sequential(nn.Linear(8, 12), nn.Dropout(0.5), nn.Linear(12, 2)))
    before, weights = torch.get_rng_state(), recipe.subject.model().state_dict()
    splitting(recipe, 2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(recipe.subject.model().state_dict(), weights)


def test_own_numbers_differ_inside_and_are_those_of_all_outside() -> None:
    inside, outside = list[torch.Tensor](), list[torch.Tensor]()
    for own in (0, 1, 1):
        layers: Sequence[nn.Module] = [nn.Identity(), nn.Dropout(0.5), nn.Identity(), nn.Dropout(0.5)]
        install(layers[0], layers[2], own)
        torch.manual_seed(3)
        x = torch.ones(64)
        for place, layer in enumerate(layers):
            x = layer(x)
            if place == 1:
                inside.append(x)
        outside.append(layers[3](torch.ones(64)))
    assert not torch.equal(inside[0], inside[1])
    assert torch.equal(inside[1], inside[2])
    assert torch.equal(outside[0], outside[1])


def test_what_cannot_be_divided_is_refused_with_the_reason() -> None:
    plain = recipe_of(lambda: nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2)))
    assert "one process alone" in (TensorParallel().refuse(plain, facts()) or "")
    assert TensorParallel().refuse(among(plain, Processes(1, 4)), facts()) is None
    assert "cannot form groups of 3" in (TensorParallel(3).refuse(among(plain, Processes(1, 4)), facts()) or "")
    assert "divided by 5" in (TensorParallel().refuse(among(plain, Processes(1, 5)), facts()) or "")
    assert "shared by 6 groups" in (TensorParallel(2).refuse(among(plain, Processes(1, 12)), facts()) or "")
    unequal = among(plain, Processes(1, 2, (1.0, 2.0)))
    assert "unequal shares" in (TensorParallel().refuse(unequal, facts()) or "")
    single = recipe_of(lambda: nn.Linear(8, 2))
    assert "no linear layers can be divided" in (TensorParallel().refuse(among(single, Processes(0, 2)), facts()) or "")
