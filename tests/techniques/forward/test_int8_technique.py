"""The thin technique over int8 training: conversion, undo and refusals."""

import pytest
import torch
from torch import nn

from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.forward.int8.support import unsupported
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import mlp_task


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 2))


@pytest.mark.skipif(unsupported() is not None, reason="int8 training needs AVX512-VNNI")
def test_wide_layers_train_in_int8_and_become_plain_again() -> None:
    recipe = baseline(mlp_task(model=wide, batch_size=40))
    technique = make("int8_linear", {"min_features": 64})
    assert technique.refuse(recipe, facts()) is None
    run = build(technique.apply(recipe))
    assert [type(layer).__name__ for layer in run.model if hasattr(layer, "weight")] == [
        "Linear",
        "Int8Linear",
        "Linear",
    ]
    list(train(run))
    model = plain_model(run)
    assert [type(layer) for layer in model] == [type(layer) for layer in wide()]
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_refuses_gpus_and_models_without_wide_layers() -> None:
    technique = make("int8_linear")
    assert "on cuda, but this technique is for CPUs" in technique.refuse(baseline(mlp_task(), device="cuda"), facts())
    reason = technique.refuse(baseline(mlp_task()), facts())
    assert reason is not None
    assert "int8" in reason or "VNNI" in reason
