"""The fused update of a CPU is that of `optimizer.step()`, bit for bit."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn, optim

from hasten.training.fused_update import fused_update
from hasten.training.step import update_parameters


def parameters(count: int, dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    draws = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(3 + one, 5, generator=draws).to(dtype)) for one in range(count)]


def with_gradients(held: list[nn.Parameter], seed: int, without: frozenset[int] = frozenset()) -> None:
    draws = torch.Generator().manual_seed(seed)
    for number, one in enumerate(held):
        gradient = torch.randn(one.shape, generator=draws).to(one.dtype)
        one.grad = None if number in without else gradient


def numbers(optimizer: optim.Optimizer) -> list[Tensor]:
    """Everything that a step changes."""
    held = [one for group in optimizer.param_groups for one in group["params"]]
    return [one.detach().clone() for one in held] + [
        value.clone() for one in held for value in optimizer.state.get(one, {}).values()
    ]


def alike(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@settings(max_examples=40, deadline=None)
@given(
    make=st.sampled_from([optim.Adam, optim.AdamW]),
    options=st.fixed_dictionaries(
        {
            "weight_decay": st.sampled_from([0.0, 0.1]),
            "maximize": st.booleans(),
            "amsgrad": st.sampled_from([False, False, True]),
            "betas": st.sampled_from([(0.9, 0.999), (0.0, 0.5)]),
            "eps": st.sampled_from([1e-8, 1e-3]),
        }
    ),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    rates=st.lists(st.sampled_from([0.1, 0.01, 1, 0.0]), min_size=2, max_size=5),
    without=st.lists(st.frozensets(st.integers(0, 3)), min_size=5, max_size=5),
    reloaded=st.integers(0, 5),
    groups=st.sampled_from([1, 2]),
)
def test_it_is_the_step_of_torch_bit_for_bit(
    make: Callable[..., optim.Optimizer],
    options: dict[str, Any],
    dtype: torch.dtype,
    rates: list[float],
    without: list[frozenset[int]],
    reloaded: int,
    groups: int,
) -> None:
    sides = []
    for _ in range(2):
        held = parameters(4, dtype)
        parts = [{"params": held[:3]}, {"params": held[3:], "weight_decay": 0.3}] if groups == 2 else held
        sides.append((held, make(parts, lr=0.1, fused=True, **options)))
    for number, rate in enumerate(rates):
        for (held, optimizer), step in zip(sides, (update_parameters, lambda one: one.step()), strict=True):
            if number == reloaded:
                optimizer.load_state_dict(deepcopy(optimizer.state_dict()))
            for group in optimizer.param_groups:
                group["lr"] = rate
            with_gradients(held, number, without[number])
            step(optimizer)
        assert alike(numbers(sides[0][1]), numbers(sides[1][1]))


def stepped(optimizer: optim.Optimizer, held: list[nn.Parameter]) -> optim.Optimizer:
    with_gradients(held, 0)
    optimizer.step()
    return optimizer


def test_it_asks_torch_for_the_first_step_only(monkeypatch: pytest.MonkeyPatch) -> None:
    held = parameters(2)
    optimizer = optim.AdamW(held, lr=0.1, fused=True)
    with_gradients(held, 0)
    assert not fused_update(optimizer)
    assert not optimizer.state
    update_parameters(optimizer)
    monkeypatch.setattr(optim.Adam, "_init_group", lambda *_: pytest.fail("torch's own step was called"))
    before = numbers(optimizer)
    update_parameters(optimizer)
    assert not alike(numbers(optimizer), before)


class Own(optim.AdamW):
    """Somebody's own."""


def scaled(held: list[nn.Parameter]) -> optim.Optimizer:
    optimizer = optim.AdamW(held, lr=0.1, fused=True)
    optimizer.grad_scale = torch.tensor(2.0)  # type: ignore[attr-defined]
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda held: optim.AdamW(held, lr=0.1),
        lambda held: optim.AdamW(held, lr=0.1, fused=True, amsgrad=True),
        lambda held: optim.AdamW(held, lr=torch.tensor(0.1), fused=True),
        lambda held: Own(held, lr=0.1, fused=True),
        lambda held: optim.SGD(held, lr=0.1, fused=True),
        lambda held: optim.AdamW([{"params": held[:1]}, {"params": held[1:], "amsgrad": True}], lr=0.1, fused=True),
        scaled,
    ],
    ids=["not fused", "amsgrad", "rate a tensor", "own class", "sgd", "one group of two", "scaled"],
)
def test_what_is_not_usual_is_left_to_torch(make: Callable[[list[nn.Parameter]], optim.Optimizer]) -> None:
    held = parameters(2)
    optimizer = stepped(make(held), held)
    with_gradients(held, 1)
    before = numbers(optimizer)
    assert not fused_update(optimizer)
    assert alike(numbers(optimizer), before)


def test_two_floating_point_types_in_one_group_are_left_to_torch() -> None:
    held = [*parameters(1), *parameters(1, torch.float64)]
    optimizer = stepped(optim.Adam(held, lr=0.1, fused=True), held)
    with_gradients(held, 1)
    assert not fused_update(optimizer)


class Divided(Tensor):
    """A tensor whose numbers are elsewhere, too."""


def test_parameters_of_another_class_are_left_to_torch() -> None:
    held = [nn.Parameter(torch.ones(3).as_subclass(Divided)), *parameters(1)]
    assert type(held[0]) is Divided
    optimizer = stepped(optim.AdamW(held, lr=0.1, fused=True), held)
    with_gradients(held, 1)
    assert not fused_update(optimizer)
