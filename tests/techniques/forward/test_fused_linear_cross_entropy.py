"""Chunked output layer and loss against the plain ones."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from hasten import Data, Task
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.forward.fused_linear_cross_entropy import Unscored, chunked_cross_entropy
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.loss import CrossEntropy
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import block_task, mlp_task, regression_task


def wide_task(**changes: object) -> Task:
    x = torch.randint(0, 300, (24, 5), generator=torch.Generator().manual_seed(5))
    data = Data(train=TensorDataset(x, (x + 1) % 300), valid=TensorDataset(x[:4], (x[:4] + 1) % 300))
    return replace(
        block_task(data=data, model=lambda: nn.Sequential(nn.Embedding(300, 6), nn.Linear(6, 300))), **changes
    )


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 17), chunk=st.integers(1, 20), bias=st.booleans(), ignored=st.sampled_from([-100, 2]))
def test_loss_and_gradients_equal_the_plain_ones(rows: int, chunk: int, bias: bool, ignored: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((rows, 3), (7, 3), (7,))]
    target = torch.randint(0, 7, (rows,), generator=generator)
    gradients, losses = [], []
    for chunked in (True, False):
        hidden, weight, shift = (tensor.clone().requires_grad_() for tensor in tensors)
        offset = shift if bias else None
        if chunked:
            loss = chunked_cross_entropy(Unscored(hidden, weight, offset), target, ignore_index=ignored, chunk=chunk)
        else:
            loss = F.cross_entropy(F.linear(hidden, weight, offset), target, reduction="sum", ignore_index=ignored)
        (2.5 * loss).backward()
        losses.append(loss.detach())
        gradients.append([hidden.grad, weight.grad, *([shift.grad] if bias else [])])
    torch.testing.assert_close(losses[0], losses[1])
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("micro", [None, 3])
def test_training_agrees_with_the_plain_recipe_and_undoes(micro: int | None) -> None:
    recipe = baseline(wide_task())
    fused = make("fused_linear_cross_entropy", {"chunk": 7}).apply(recipe)
    assert make("fused_linear_cross_entropy").refuse(recipe, facts()) is None
    if micro:
        fused = make("micro_batch", {"size": micro}).apply(fused)
    plain, run = build(recipe), build(fused)
    for one in (plain, run):
        list(train(one))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)
    assert type(plain_model(run)[1]) is nn.Linear


def test_under_autocast_the_scores_are_bfloat16() -> None:
    hidden, weight = torch.randn(4, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    target = torch.arange(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = chunked_cross_entropy(Unscored(hidden, weight, None), target, ignore_index=-100, chunk=2)
        expected = F.cross_entropy(F.linear(hidden, weight), target, reduction="sum")
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert (hidden.grad.dtype, weight.grad.dtype) == (torch.float32, torch.float32)


def test_refusals_name_the_fact() -> None:
    technique, machine = make("fused_linear_cross_entropy"), facts()
    assert "not cross-entropy but SquaredError" in technique.refuse(baseline(regression_task()), machine)
    assert "2 classes make small scores" in technique.refuse(baseline(mlp_task()), machine)
    more = wide_task(model=lambda: nn.Sequential(nn.Embedding(300, 6), nn.Linear(6, 300), nn.Softplus()))
    assert "not just that of its last linear layer" in technique.refuse(baseline(more), machine)
    padded = make("fused_linear_cross_entropy").apply(baseline(wide_task(loss=CrossEntropy(ignore_index=0))))
    batch = (torch.zeros(2, 2), torch.tensor([[0, 1], [2, 0]]))
    assert padded.forward.loss.count(batch) == 2
