"""Updates made in the backward pass are those made after it, bit for bit."""

from copy import deepcopy

import pytest
import torch

from hasten import Schedule, Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.step import step

from tiny_tasks import block_task, cnn_task, mlp_task


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"])
def test_updates_are_equal_bit_for_bit(optimizer: str) -> None:
    update = Update(optimizer=optimizer, lr=1e-2, schedule=Schedule(name="cosine", warmup=2))
    for task in (mlp_task(update=update), cnn_task(update=update)):
        plain, run = build(baseline(task)), build(make("optimizer_in_backward").apply(baseline(task)))
        for one in (plain, run):
            list(train(one))
        for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
            assert torch.equal(mine, theirs)


def test_tied_weights_are_updated_once() -> None:
    def tied() -> torch.nn.Module:
        model = block_task(dropout=0.0).model()
        model[2].weight = model[0].weight
        return model

    task = block_task(model=tied)
    plain, run = build(baseline(task)), build(make("optimizer_in_backward").apply(baseline(task)))
    for one in (plain, run):
        list(train(one))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)


def test_gradients_are_gone_after_the_backward_pass_and_a_run_resumes() -> None:
    recipe = make("optimizer_in_backward").apply(baseline(mlp_task()))
    run, other = build(recipe), build(recipe)
    batch = next(run.batches())[1]
    for _ in range(3):
        step(run, batch)
    assert all(parameter.grad is None for parameter in run.parameters)
    other.load_state(deepcopy(run.state()))
    for one in (run, other):
        step(one, batch)
    for mine, theirs in zip(run.parameters, other.parameters, strict=True):
        assert torch.equal(mine, theirs)


def test_refuses_what_needs_all_gradients_at_once() -> None:
    technique, machine = make("optimizer_in_backward"), facts()
    clipped = make("clip_norm").apply(baseline(mlp_task()))
    assert "all gradients together before the update" in technique.refuse(clipped, machine)
    other = Update(optimizer="lion", lr=1e-3)
    assert "only torch's own optimizers" in technique.refuse(baseline(mlp_task(update=other)), machine)
    averaged = make("ema").apply(baseline(mlp_task()))
    assert "after each update" in technique.refuse(averaged, machine)
