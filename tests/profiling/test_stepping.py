from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from hasten.measurement.clock import Marks
from hasten.profiling.stepping import (
    batches_in_turn,
    loop_steps,
    one_batch,
    resized,
    set_aside_stop_rules,
    weights_kept,
)
from hasten.training.building import build
from hasten.training.marks import OTHER
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.training.task import Task

MakeTask = Callable[..., Task]


def test_the_loop_makes_as_many_steps_as_it_is_told(make_task: MakeTask) -> None:
    run = build(baseline(make_task()))
    set_aside_stop_rules(run)
    for count, at in ((1, 1), (5, 6), (8, 14)):  # eight steps make an epoch
        clock = Marks()
        loop_steps(run, count, clock.mark)
        assert run.position.step == at
        assert int((clock.parts() == OTHER).sum()) == count
        assert run.interrupted_by is None


@pytest.mark.parametrize("ahead", [1, 3])
def test_batches_made_ahead_do_not_end_the_loop_early(make_task: MakeTask, ahead: int) -> None:
    recipe = baseline(make_task())
    run = build(replace(recipe, input=replace(recipe.input, ahead=ahead)))
    set_aside_stop_rules(run)
    for count, at in ((1, 1), (5, 6), (8, 14)):
        loop_steps(run, count)
        assert run.position.step == at


def test_weights_are_kept_while_steps_compute(make_task: MakeTask) -> None:
    run = build(baseline(make_task()))
    before = [parameter.detach().clone() for parameter in run.parameters]
    with weights_kept(run):
        loss = step(run, one_batch(run))
    assert loss.count == 32
    assert all(torch.equal(a, b) for a, b in zip(before, run.parameters, strict=True))
    assert all(parameter.grad is None for parameter in run.parameters)
    step(run, one_batch(run))
    assert not all(torch.equal(a, b) for a, b in zip(before, run.parameters, strict=True))


def test_batches_come_in_the_loops_own_order(make_task: MakeTask) -> None:
    run = build(baseline(make_task()))
    first = one_batch(run)
    assert run.position.offset == 0
    turn = batches_in_turn(run)
    assert torch.equal(next(turn)[0], first[0])
    next(turn)
    assert run.position.offset == 32


def test_a_batch_is_cut_or_repeated_into_memory_of_its_own() -> None:
    batch = (torch.arange(12.0).view(4, 3), torch.arange(4))
    cut, repeated = resized(batch, 2), resized(batch, 10)
    assert torch.equal(cut[0], batch[0][:2])
    assert cut[0].untyped_storage().nbytes() == 2 * 3 * 4
    assert torch.equal(repeated[1], torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, 1]))
