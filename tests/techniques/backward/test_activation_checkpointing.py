"""Recomputed blocks give the bits of plain ones, dropout included, and keep less."""

import pytest
import torch
from torch import nn

from hasten.machine import facts
from hasten.measurement.saved import saved_bytes
from hasten.techniques.applying import make
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model
from hasten.training.session import build

from tiny_tasks import block_task, cnn_task, mlp_task

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


@pytest.mark.parametrize("name", NAMES)
def test_refuses_models_without_blocks_and_batch_norm_by_name(name: str) -> None:
    technique, machine = make(name), facts()
    assert "no list or sequence of blocks" in technique.refuse(baseline(mlp_task()), machine)

    def model() -> nn.Module:
        return nn.Sequential(nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8)), nn.Flatten(), nn.Linear(280, 3))

    reason = technique.refuse(baseline(cnn_task(model=model)), machine)
    assert reason == "the block '0' has a batch normalization, whose statistics would count each batch twice"
