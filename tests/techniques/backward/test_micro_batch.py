"""Micro-batches and delayed updates against the whole batch."""

import pytest
import torch

from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.session import build

from tiny_tasks import cnn_task, mlp_task, regression_task


@pytest.mark.parametrize("size", [0, 1, 3, 7])
@pytest.mark.parametrize("clip", [None, "clip_norm", "clip_value", "clip_adaptive"])
def test_gives_the_gradient_of_the_whole_batch(size: int, clip: str | None) -> None:
    for task in (mlp_task(), regression_task(), cnn_task(norm=False)):
        extra = [make(clip)] if clip else []
        whole = build(apply_all(extra, baseline(task), facts()))
        parts = build(apply_all([*extra, make("micro_batch", {"size": size})], baseline(task), facts()))
        for run in (whole, parts):
            list(train(run))
        for mine, theirs in zip(whole.parameters, parts.parameters, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=2e-4)


def test_refuses_batch_norm_by_its_name() -> None:
    reason = make("micro_batch").refuse(baseline(cnn_task()), facts())
    assert reason == "the layer '1' normalizes over the batch, and would see only a part of it"


def test_refuses_parts_as_large_as_the_batch() -> None:
    assert "has no parts of 8" in make("micro_batch", {"size": 8}).refuse(baseline(mlp_task()), facts())


def test_a_delayed_update_is_a_larger_batch_in_parts() -> None:
    recipe = make("delayed_update", {"batches": 3, "lr_scale": 2.0}).apply(baseline(mlp_task()))
    assert (recipe.input.batch_size, recipe.backward.micro_batch, recipe.update.lr) == (24, 8, 0.02)
    run = build(recipe)
    list(train(run))
    assert run.position.step == 9
    large = mlp_task(batch_size=24)
    plain = build(baseline(mlp_task(batch_size=24, update=recipe.update)))
    assert large.batch_size == plain.recipe.input.batch_size
    list(train(plain))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    assert "whole training set" in make("delayed_update").refuse(baseline(mlp_task(batch_size=None)), facts())
