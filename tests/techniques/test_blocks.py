"""Wrapping a block's forward pass leaves names, weights and copies alone."""

from copy import deepcopy

import torch
from torch import nn

from hasten.techniques.blocks import Forward, repeated_blocks, unwrap_forward, wrap_forward
from hasten.training.recipe import baseline

from tiny_tasks import block_task, cnn_task, mlp_task


def doubled(block: nn.Module, forward: Forward) -> Forward:
    return lambda *args: 2 * forward(*args)


def negated(block: nn.Module, forward: Forward) -> Forward:
    return lambda *args: -forward(*args)


def test_blocks_are_members_of_lists_that_have_layers_inside() -> None:
    assert list(repeated_blocks(baseline(block_task()).subject.model())) == ["1.0", "1.1", "1.2"]
    assert repeated_blocks(baseline(mlp_task()).subject.model()) == {}
    assert repeated_blocks(baseline(cnn_task()).subject.model()) == {}


def test_wrapping_changes_the_result_and_unwrapping_takes_it_back() -> None:
    model, x = nn.Sequential(nn.Linear(3, 2)), torch.randn(4, 3)
    plain, kind = model(x), type(model[0])
    keys = list(model.state_dict())
    wrap_forward(model[0], doubled)
    wrap_forward(model[0], negated)
    assert torch.equal(model(x), -2 * plain)
    copy = deepcopy(model)
    with torch.no_grad():
        copy[0].weight.zero_()
    assert torch.equal(model(x), -2 * plain)
    assert list(model.state_dict()) == keys
    unwrap_forward(model, negated)
    assert torch.equal(model(x), 2 * plain)
    unwrap_forward(model, doubled)
    assert type(model[0]) is kind
    assert torch.equal(model(x), plain)
