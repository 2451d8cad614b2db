"""Several optimizers as one, after one backward pass and in their state."""

import io
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn, optim

from hasten import Plan, Stop, Update
from hasten.base.errors import BadInput
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import run_training
from hasten.training.session import Session
from hasten.training.several_optimizers import SeveralOptimizers, as_one

from tiny_tasks import mlp_task

KINDS: dict[str, Any] = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.01),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.02, weight_decay=0.1),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=0.005),
    "adagrad": lambda parameters: optim.Adagrad(parameters, lr=0.05),
}


def halves(model: nn.Module) -> list[optim.Optimizer]:
    layers = list(model.children())
    return [optim.SGD(layers[0].parameters(), lr=0.1, momentum=0.9), optim.AdamW(layers[3].parameters(), lr=0.01)]


def same(one: Session, other: Session) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


GROUPS = st.lists(st.integers(1, 3), min_size=1, max_size=3)
MEMBERS = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), GROUPS), min_size=1, max_size=4)
"""Kinds of optimizers with the sizes of their parameter groups."""


def made(described: list[tuple[str, list[int]]], seed: int) -> tuple[SeveralOptimizers, list[nn.Parameter]]:
    generator, optimizers, held = torch.Generator().manual_seed(seed), [], list[nn.Parameter]()
    for kind, groups in described:
        parameters = [[nn.Parameter(torch.randn(2, generator=generator)) for _ in range(size)] for size in groups]
        optimizers.append(KINDS[kind]([{"params": group} for group in parameters]))
        held += [one for group in parameters for one in group]
    one = as_one(optimizers)
    assert isinstance(one, SeveralOptimizers)
    return one, held


def step_all(optimizers: list[optim.Optimizer], held: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in held:
        parameter.grad = torch.randn(2, generator=generator)
    for optimizer in optimizers:
        optimizer.step()


@settings(max_examples=25, deadline=None)
@given(MEMBERS, st.integers(1, 3))
def test_state_saves_and_loads_as_that_of_each_member(described: list[tuple[str, list[int]]], count: int) -> None:
    one, held = made(described, 0)
    for seed in range(count):
        step_all([one], held, seed)
    alone, apart = made(described, 0)
    for seed in range(count):
        step_all(list(alone.members.values()), apart, seed)
    assert all(torch.equal(a, b) for a, b in zip(held, apart, strict=True))
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other, fresh = made(described, 1)
    other.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        for parameter, value in zip(fresh, held, strict=True):
            parameter.copy_(value)
    step_all([one], held, 9)
    step_all([other], fresh, 9)
    assert all(torch.equal(a, b) for a, b in zip(held, fresh, strict=True))


def test_each_steps_after_one_backward_pass_and_keeps_its_own_rate() -> None:
    run = build(baseline(mlp_task(update=Update(optimizer=halves, schedule="linear"), stop=Stop(steps=4))))
    model = build(baseline(mlp_task())).model
    by_hand = halves(model)
    for number, (_, batch) in zip(range(4), build(baseline(mlp_task())).batches(), strict=False):
        nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
        for optimizer, rate in zip(by_hand, (0.1, 0.01), strict=True):
            optimizer.param_groups[0]["lr"] = rate * (1 - number / 4)
            optimizer.step()
            optimizer.zero_grad()
    list(train(run))
    assert all(torch.equal(a, b) for a, b in zip(run.parameters, model.parameters(), strict=True))


def test_a_run_resumes_to_the_same_bits() -> None:
    task = mlp_task(update=Update(optimizer=halves, schedule=lambda step: 0.9**step), stop=Stop(steps=12))
    check(task)
    whole, half = build(baseline(task)), build(baseline(task))
    list(train(whole))
    for ids, batch in half.batches():
        half.set_learning_rate()
        half.step(half, batch, lambda part: None)
        half.advance(len(ids), 0.0)
        if half.position.step == 5:
            break
    resumed = build(baseline(task))
    resumed.load_state(half.state())
    list(train(resumed))
    assert same(whole, resumed)


@pytest.mark.parametrize(
    ("several", "names"),
    [
        (lambda model: {"first": halves(model)[0], "last": halves(model)[1]}, ["first", "last"]),
        (lambda model: tuple(halves(model)), ["0", "1"]),
        (lambda model: halves(model)[0], ["optimizer"]),
    ],
)
def test_optimizers_keep_their_names(several: Any, names: list[str]) -> None:
    assert list(build(baseline(mlp_task(update=Update(optimizer=several)))).optimizers) == names


@pytest.mark.parametrize("wrong", [[], {}, [1], None, {"a": "sgd"}])
def test_what_is_no_optimizer_is_one_message(wrong: Any) -> None:
    with pytest.raises(BadInput, match="or several in a tuple, list or dict"):
        build(baseline(mlp_task(update=Update(optimizer=lambda model: wrong))))


def test_an_optimizer_that_evaluates_again_cannot_share_a_backward_pass() -> None:
    def with_lbfgs(model: nn.Module) -> list[optim.Optimizer]:
        layers = list(model.children())
        return [optim.SGD(layers[0].parameters(), lr=0.1), optim.LBFGS(layers[3].parameters())]

    with pytest.raises(BadInput, match=r"the optimizer '1' \(LBFGS\) evaluates the loss several times"):
        build(baseline(mlp_task(update=Update(optimizer=with_lbfgs))))


def test_a_rate_of_the_task_holds_for_all() -> None:
    run = build(baseline(mlp_task(update=Update(optimizer=halves, lr=0.3))))
    assert [group["lr"] for group in run.optimizer.param_groups] == [0.3, 0.3]


def test_weights_to_evaluate_with_are_those_of_the_members_that_have_some() -> None:
    calls: list[str] = []

    class TwoModes(optim.SGD):
        def eval(self) -> None:
            calls.append("eval")

        def train(self) -> None:
            calls.append("train")

    def one_with_modes(model: nn.Module) -> list[optim.Optimizer]:
        layers = list(model.children())
        return [TwoModes(layers[0].parameters(), lr=0.1), optim.Adam(layers[3].parameters())]

    task = mlp_task(update=Update(optimizer=one_with_modes), stop=Stop(epochs=1))
    run_training(baseline(task), Plan(task="tiny"), show=lambda event: None)
    assert calls == ["eval", "train", "eval"]


def test_copies_groups_and_foreign_states() -> None:
    one, held = made([("sgd", [1, 2]), ("adam", [2])], 0)
    step_all([one], held, 0)
    copy = deepcopy(one)
    assert [len(group["params"]) for group in copy.param_groups] == [1, 2, 2]
    assert len(one.state) == 5
    with pytest.raises(TypeError, match="add the parameter group to one of the optimizers 0, 1"):
        one.add_param_group({"params": []})
    with pytest.raises(ValueError, match="a state of 1 parameter groups, for optimizers with 3"):
        one.load_state_dict({"state": {}, "param_groups": [{"params": [0]}]})


def test_reading_the_state_makes_none() -> None:
    run = build(baseline(mlp_task(update=Update(optimizer=halves))))
    assert isinstance(run.optimizer, SeveralOptimizers)
    for event in train(run):
        del event
        break
    first, second = run.optimizer.members.values()
    sizes = len(first.state), len(second.state)
    assert len(list(run.optimizer.state.values())) == sum(sizes)
    assert (len(first.state), len(second.state)) == sizes
    run.optimizer.state_dict()
