"""Averages against slow twins, and the training untouched by them."""

from dataclasses import replace

import pytest
import torch
from torch import nn, optim

from hasten import Stop, Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.update.averaging import average_equally, average_exponentially
from hasten.training.final_weights import AVERAGE
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.session import build

from tiny_tasks import block_task, cnn_task, mlp_task


def walk(values: list[float]) -> list[tuple[nn.Parameter, optim.Optimizer, float]]:
    parameter = nn.Parameter(torch.zeros(()))
    optimizer = optim.SGD([parameter], lr=0.1)
    return [(parameter, optimizer, value) for value in values]


def test_ema_follows_its_formula() -> None:
    values, expected = [1.0, 2.0, 4.0, -3.0, 5.0], 0.0
    for number, (parameter, optimizer, value) in enumerate(walk(values)):
        parameter.data.fill_(value)
        average_exponentially(optimizer, 0.0, decay=0.15)
        keep = min(0.15, (1 + number) / (10 + number))
        expected = value if number == 0 else keep * expected + (1 - keep) * value
        assert float(optimizer.state[parameter][AVERAGE]) == pytest.approx(expected, rel=1e-5)


def test_swa_is_the_mean_of_the_last_part() -> None:
    values = [1.0, 2.0, 4.0, -3.0, 5.0]
    for number, (parameter, optimizer, value) in enumerate(walk(values)):
        parameter.data.fill_(value)
        average_equally(optimizer, number / 5, start=0.4)
    assert float(optimizer.state[parameter][AVERAGE]) == pytest.approx((4.0 - 3.0 + 5.0) / 3)


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_training_keeps_its_bits_and_resumes_with_its_average(name: str) -> None:
    recipe = baseline(mlp_task(update=Update(optimizer="sgd", lr=0.1)))
    plain, run = build(recipe), build(make(name).apply(recipe))
    for one in (plain, run):
        list(train(one))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)
    other = build(make(name).apply(recipe))
    other.load_state(run.state())
    for mine, theirs in zip(run.parameters, other.parameters, strict=True):
        assert torch.equal(run.optimizer.state[mine][AVERAGE], other.optimizer.state[theirs][AVERAGE])
        assert not torch.equal(run.optimizer.state[mine][AVERAGE], mine)


def test_swa_refuses_batch_norm() -> None:
    assert "statistics of the layer '1'" in make("swa").refuse(baseline(cnn_task()), facts())


def test_the_rate_falls_to_zero_after_a_rise() -> None:
    recipe = make("schedule", {"warmup": 0.2}).apply(baseline(mlp_task(stop=Stop(steps=20))))
    run, rates = build(recipe), list[float]()
    run.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    list(train(run))
    assert rates[:4] == pytest.approx([2.5e-3, 5e-3, 7.5e-3, 1e-2])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 1e-3
    assert "of its own (linear)" in make("schedule").refuse(recipe, facts())
    assert "only by time" in make("schedule").refuse(baseline(mlp_task(stop=Stop(seconds=1))), facts())


def test_schedule_free_is_judged_by_its_average() -> None:
    task = replace(block_task(), stop=Stop(steps=10, evaluate_every=5))
    run = build(make("schedule_free", {"warmup": 0}).apply(baseline(task)))
    seen: list[torch.Tensor] = []
    run.model[2].register_forward_pre_hook(
        lambda module, args: seen.append(module.weight.detach().clone()) if not module.training else None
    )
    list(train(run))
    assert all(group["train_mode"] for group in run.optimizer.param_groups)
    assert seen
    assert not torch.equal(seen[-1], run.model[2].weight)
