"""Putting a session where another one stood, and looking at its gradients."""

import pytest
import torch

from hasten import Update
from hasten.base.stages import Guarantee
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.tuning.gates import Reference, judge
from hasten.tuning.reference_step import observe, put, state_of

from tiny_tasks import block_task


def losses(run: Session, count: int) -> list[float]:
    found: list[float] = []
    for ids, batch in run.batches():
        run.set_learning_rate()
        found.append(float(step(run, batch).sum))
        run.advance(len(ids), 0.0)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("name", ["schedule_free", "prodigy", "muon_hybrid", "soap"])
def test_what_an_optimizer_counts_in_its_groups_is_put_back(name: str) -> None:
    recipe = make(name).apply(baseline(block_task(dropout=0.0)))
    run = build(recipe)
    start = state_of(run)
    first = losses(run, 4)
    middle = state_of(run)
    then = losses(run, 4)
    put(run, middle)
    assert losses(run, 4) == then
    put(run, start)
    assert losses(run, 4) == first
    other = build(recipe)
    losses(other, 2)
    put(other, middle)
    assert losses(other, 4) == then


def test_an_optimizer_of_another_kind_starts_afresh_each_time() -> None:
    run = build(make("schedule_free").apply(baseline(block_task(dropout=0.0))))
    state = state_of(build(baseline(block_task(dropout=0.0))))
    put(run, state)
    first = losses(run, 4)
    put(run, state)
    assert losses(run, 4) == first


def sparse() -> tuple[Recipe, Recipe]:
    task = block_task(update=Update(optimizer="adagrad", lr=0.05), dropout=0.0)
    recipe = baseline(task)
    return recipe, make("sparse_embedding").apply(recipe)


def test_given_gradients_take_the_place_of_sparse_ones() -> None:
    recipe, changed = sparse()
    plain, run = build(recipe), build(changed)
    _, batch = next(plain.batches())
    expected = observe(plain, batch, seed=0)
    scaled = {name: 2 * slope for name, slope in expected.gradients.items()}
    found = observe(run, batch, seed=0, given=scaled)
    assert not found.gradients["0.weight"].is_sparse
    torch.testing.assert_close(found.gradients["0.weight"], expected.gradients["0.weight"])
    doubled = observe(build(recipe), batch, seed=0, given=scaled)
    for name, change in doubled.changes.items():
        torch.testing.assert_close(found.changes[name], change, rtol=1e-4, atol=1e-7)


def test_a_gate_judges_sparse_gradients() -> None:
    recipe, changed = sparse()
    gate = judge(changed, Guarantee.ROUNDING, Reference(recipe))
    assert gate.passed, gate.detail
