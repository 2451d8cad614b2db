"""Micro-batches and delayed updates against the whole batch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from hasten import Stop, Task
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

from tiny_tasks import block_task, cnn_task, mlp_task, padded_task, regression_task


@pytest.mark.parametrize(
    ("size", "clip"),
    [(0, None), (1, None), (3, None), (7, None), (1, "clip_norm"), (3, "clip_value"), (7, "clip_adaptive")],
)
def test_gives_the_gradient_of_the_whole_batch(size: int, clip: str | None) -> None:
    stop = Stop(steps=5)
    for task in (mlp_task(stop=stop), regression_task(stop=stop), cnn_task(norm=False, stop=stop)):
        extra = [make(clip)] if clip else []
        whole = build(apply_all(extra, baseline(task), facts()))
        parts = build(apply_all([*extra, make("micro_batch", {"size": size})], baseline(task), facts()))
        for run in (whole, parts):
            list(train(run))
        for mine, theirs in zip(whole.parameters, parts.parameters, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=2e-4)


def contrastive(output: Tensor, target: Tensor) -> Tensor:
    """InfoNCE: each sample against all others of its batch."""
    unit = nn.functional.normalize(output)
    return nn.functional.cross_entropy(unit @ unit.T / 0.1, torch.arange(len(unit)))


def summed(output: Tensor, target: Tensor) -> Tensor:
    """A sum in the place of a mean."""
    return nn.functional.cross_entropy(output, target, reduction="sum")


class BatchMean(nn.Module):
    """Subtracts the mean of the batch; no class of torch's norms."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


def with_norm(norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), norm, nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"loss": contrastive}, "is not the mean of the losses of its parts"),
        ({"model": lambda: with_norm(BatchMean())}, "the gradient of"),
        ({"model": lambda: with_norm(nn.BatchNorm1d(8))}, "the buffer '1.running_mean'"),
        ({"model": lambda: with_norm(nn.BatchNorm1d(8, track_running_stats=False))}, "the gradient of"),
        (
            {"model": lambda: nn.Sequential(spectral_norm(nn.Linear(5, 8)), nn.Linear(8, 2))},
            "buffer '0.parametrizations.weight.0._u'",
        ),
    ],
    ids=["contrastive", "own norm", "batch norm", "batch norm without statistics", "spectral"],
)
def test_what_looks_at_the_whole_batch_is_refused_whatever_its_class(changes: dict[str, Any], what: str) -> None:
    reason = make("micro_batch").refuse(baseline(mlp_task(**changes)), facts())
    assert reason is not None
    assert what in reason


def test_a_sum_adds_up_by_itself_and_is_not_refused() -> None:
    assert make("micro_batch").refuse(baseline(mlp_task(loss=summed)), facts()) is None


@pytest.mark.parametrize(
    "task",
    [
        mlp_task(dropout=0.5),
        block_task(dropout=0.3),
        padded_task(),
        mlp_task(loss=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0]))),
        mlp_task(model=lambda: with_norm(nn.GroupNorm(2, 8))),
    ],
    ids=["dropout", "blocks", "ignored labels", "weighted mean", "group norm"],
)
def test_what_treats_each_sample_by_itself_is_not_refused(task: Task) -> None:
    assert make("micro_batch").refuse(baseline(task), facts()) is None


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
