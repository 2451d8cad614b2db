"""State that an optimizer loads gets the memory layout of the parameters, which fused kernels take for granted."""

from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn, optim

from hasten import Update
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.training.state_layout import keep_layout
from hasten.tuning.reference_step import batches_from, make_step, put, state_of

from tiny_tasks import cnn_task

KINDS: dict[str, Any] = {"adamw": optim.AdamW, "sgd": partial(optim.SGD, momentum=0.9), "adagrad": optim.Adagrad}


def laid_out(layout: torch.memory_format, channels: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 2)).to(memory_format=layout)


def stepped(model: nn.Module, optimizer: optim.Optimizer, images: Tensor) -> None:
    for _ in range(2):
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    before=st.sampled_from([torch.channels_last, torch.contiguous_format]),
    after=st.sampled_from([torch.channels_last, torch.contiguous_format]),
    channels=st.integers(1, 3),
)
def test_a_fused_optimizer_goes_on_from_state_of_any_layout(
    kind: str, before: torch.memory_format, after: torch.memory_format, channels: int
) -> None:
    images = torch.randn(3, channels, 7, 6, generator=torch.Generator().manual_seed(1))
    first = laid_out(before, channels)
    plain = KINDS[kind](first.parameters(), lr=0.01, foreach=False)
    stepped(first, plain, images)
    second = laid_out(after, channels)
    second.load_state_dict(first.state_dict())
    fused = KINDS[kind](second.parameters(), lr=0.01, fused=True)
    keep_layout(fused)
    saved = plain.state_dict()
    fused.load_state_dict({"state": deepcopy(saved["state"]), "param_groups": fused.state_dict()["param_groups"]})
    stepped(first, plain, images)
    stepped(second, fused, images)
    for ours, theirs in zip(second.parameters(), first.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def went_on(recipe: Recipe, run: Session) -> dict[str, Tensor]:
    state = state_of(run)
    other = build(recipe)
    put(other, state)
    for number, batch in enumerate(batches_from(other, state.position, 4)):
        make_step(other, batch, seed=number)
    return {name: value.detach().clone() for name, value in other.model.named_parameters()}


@pytest.mark.parametrize("name", ["adamw", "momentum"])
def test_a_session_with_another_layout_goes_on_where_the_baseline_stood(name: str) -> None:
    recipe = baseline(cnn_task(norm=False, update=Update(optimizer=name, lr=0.01)))
    run = build(recipe)
    for number, batch in enumerate(batches_from(run, run.position, 4)):
        make_step(run, batch, seed=number)
    planned = make("fused_optimizer").apply(make("channels_last").apply(recipe))
    expected, found = went_on(recipe, run), went_on(planned, run)
    for one, value in expected.items():
        torch.testing.assert_close(found[one], value, rtol=1e-4, atol=1e-6)


class Wrapper(optim.Optimizer):
    """One that wraps another and is never initialized as an optimizer, as some of other packages do."""

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.param_groups, self.state = optimizer.param_groups, optimizer.state

    def load_state_dict(self, state_dict: Any) -> None:
        self.optimizer.load_state_dict(state_dict)


def test_the_state_that_a_wrapped_optimizer_loads_is_laid_out() -> None:
    first, second = laid_out(torch.contiguous_format, 2), laid_out(torch.channels_last, 2)
    saved = optim.AdamW(first.parameters(), lr=0.01)
    stepped(first, saved, torch.randn(3, 2, 7, 6))
    inner = optim.AdamW(second.parameters(), lr=0.01)
    end = keep_layout(Wrapper(inner))
    inner.load_state_dict(deepcopy(saved.state_dict()))
    weight = next(second.parameters())
    assert inner.state[weight]["exp_avg"].stride() == weight.stride()
    end()
