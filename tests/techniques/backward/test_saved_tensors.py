"""What the backward pass needs, packed: bit for bit, or within the error of int8."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.backward.bits import from_bits, to_bits
from hasten.techniques.backward.saved_tensors import pack_int8, pack_lossless
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.step import step

from tiny_tasks import block_task, cnn_task, mlp_task


@settings(max_examples=30, deadline=None)
@given(shape=st.lists(st.integers(0, 9), min_size=0, max_size=3), seed=st.integers(0, 5))
def test_bits_come_back(shape: list[int], seed: int) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > 0.5
    bits = to_bits(mask)
    assert bits.numel() == -(-mask.numel() // 8)
    assert torch.equal(from_bits(bits, mask.shape), mask)


@pytest.mark.parametrize(
    ("tensor", "packs"),
    [
        (torch.rand(40, 9) > 0.5, True),
        (torch.randint(0, 255, (500,)), True),
        (torch.randint(-(2**40), 2**40, (500,)), False),
        ((torch.rand(40, 9) > 0.3).float() / 0.7, True),
        ((torch.rand(40, 9) > 0.3).bfloat16(), True),
        (torch.randn(40, 9), False),
        (torch.cat([torch.ones(300), torch.full((3,), 2.0)]), False),
        (torch.cat([torch.ones(300), torch.full((3,), -0.0)]), False),
        (torch.zeros(300), False),
    ],
)
def test_lossless_means_every_bit(tensor: torch.Tensor, packs: bool) -> None:
    unpack = pack_lossless(tensor)
    assert (unpack is not None) is packs
    if unpack is not None:
        back = unpack()
        assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(back, tensor)


def test_int8_is_within_a_step_of_each_row_and_keeps_signs() -> None:
    tensor = torch.randn(50, 3, 7) * torch.logspace(-3, 3, 50)[:, None, None]
    tensor[4] = 0
    back = pack_int8(tensor)()
    step_size = tensor.abs().amax(-1, keepdim=True) / 127
    error = (back - tensor).abs()
    assert (error <= step_size * 1.001).all()
    assert (error <= torch.where(tensor.abs() >= step_size, 0.5001, 1.001) * step_size).all()
    assert torch.equal(back.sign(), tensor.sign())
    assert pack_int8(torch.randn(400)) is None
    assert pack_int8(torch.full((20, 20), float("inf"))) is None


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 2))


def pooled() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 8, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8 * 4 * 3, 3))


@pytest.mark.parametrize("task", [mlp_task(model=wide), cnn_task(model=pooled)], ids=["dropout", "pooling"])
def test_lossless_training_is_equal_bit_for_bit_and_packs_something(task, monkeypatch: pytest.MonkeyPatch) -> None:
    import hasten.techniques.backward.saved_tensors as module

    packed: list[bool] = []

    def watched(tensor: torch.Tensor):
        unpack = pack_lossless(tensor)
        packed.append(unpack is not None)
        return unpack

    monkeypatch.setattr(module, "pack_lossless", watched)
    recipe = baseline(task)
    plain = build(recipe)
    list(train(plain))
    run = build(make("lossless_saved").apply(recipe))
    list(train(run))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)
    assert any(packed)


def test_int8_saved_changes_gradients_a_little_and_the_loss_not_at_all() -> None:
    recipe = baseline(mlp_task(model=wide, batch_size=50))
    gradients: list[torch.Tensor] = []
    losses: list[torch.Tensor] = []
    for one in (recipe, make("int8_saved", {"smallest": 256}).apply(recipe)):
        run = build(one)
        run.optimizer.register_step_pre_hook(
            lambda *_, run=run: gradients.append(torch.cat([p.grad.flatten() for p in run.parameters]))
        )
        losses.append(step(run, next(run.batches())[1]).sum)
    assert torch.equal(losses[0], losses[1])
    error = (gradients[1] - gradients[0]).norm() / gradients[0].norm()
    assert 0 < error < 0.02


def test_lossless_refuses_models_that_keep_nothing_it_could_pack() -> None:
    assert "no masks or indices" in str(make("lossless_saved").refuse(baseline(mlp_task()), facts()))
    assert make("lossless_saved").refuse(baseline(block_task()), facts()) is None
