"""Averages against slow twins, and the training untouched by them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hasten import Stop, Update
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.update.averaging import EqualAverage, ExponentialAverage
from hasten.training.building import build
from hasten.training.final_weights import put_final_weights, put_trained_weights
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.transforms import StepInfo

from tiny_tasks import block_task, cnn_task, mlp_task

finite = st.floats(-10, 10, allow_subnormal=False)


@given(values=st.lists(finite, min_size=1, max_size=30), decay=st.floats(0.01, 0.999))
def test_ema_follows_its_formula_from_warm_up_to_the_full_decay(values: list[float], decay: float) -> None:
    parameter, average, expected = nn.Parameter(torch.zeros(())), ExponentialAverage(decay), values[0]
    state = average.init({"p": parameter})
    for number, value in enumerate(values):
        parameter.data.fill_(value)
        average.update({"p": parameter}, state, StepInfo(number, 0.0))
        if number:
            keep = min(decay, (1 + number) / (10 + number))
            expected = keep * expected + (1 - keep) * value
        assert float(average.averages(state)["p"]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_ema_warms_up() -> None:
    parameter, average = nn.Parameter(torch.zeros(())), ExponentialAverage(0.999)
    state = average.init({"p": parameter})
    average.update({"p": parameter}, state, StepInfo(0, 0.0))
    parameter.data.fill_(1.0)
    average.update({"p": parameter}, state, StepInfo(1, 0.1))
    assert float(average.averages(state)["p"]) == pytest.approx(9 / 11)  # with the full decay it would be 0.001


@given(values=st.lists(finite, min_size=4, max_size=20))
def test_swa_is_the_mean_of_the_last_part(values: list[float]) -> None:
    parameter, average, steps = nn.Parameter(torch.zeros(())), EqualAverage(0.5), len(values)
    state = average.init({"p": parameter})
    for number, value in enumerate(values):
        parameter.data.fill_(value)
        average.update({"p": parameter}, state, StepInfo(number, number / steps))
    last = values[(steps + 1) // 2 :]
    assert float(average.averages(state)["p"]) == pytest.approx(sum(last) / len(last), rel=1e-4, abs=1e-5)


class LayerDrop(nn.Module):
    """The second layer is skipped in the first five training steps, as layer drop and routing may do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.late = nn.Linear(5, 2), nn.Linear(2, 2)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        return self.late(self.first(x)) if self.calls > 5 else self.first(x)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "momentum", "adagrad", "rmsprop"])
def test_ema_averages_a_parameter_whose_first_gradient_comes_late(optimizer: str) -> None:
    task = mlp_task(model=LayerDrop, update=Update(optimizer=optimizer, lr=1e-2), stop=Stop(steps=12))
    run = build(make("ema", {"decay": 0.9}).apply(baseline(task)))
    expected: list[torch.Tensor] = []

    def average(*_: object) -> None:
        number = len(seen)
        seen.append(number)
        keep = min(0.9, (1 + number) / (10 + number))
        for index, parameter in enumerate(run.parameters):
            value = parameter.detach().clone()
            if number == 0:
                expected.append(value)
            else:
                expected[index] = keep * expected[index] + (1 - keep) * value

    seen: list[int] = []
    run.optimizer.register_step_post_hook(average)
    list(train(run))
    put_final_weights(run)
    for parameter, value in zip(run.parameters, expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value)


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
        assert torch.equal(mine, theirs)
    trained = [parameter.detach().clone() for parameter in run.parameters]
    put_final_weights(run)
    assert not any(torch.equal(mine, before) for mine, before in zip(run.parameters, trained, strict=True))
    average = [parameter.detach().clone() for parameter in run.parameters]
    put_trained_weights(run)
    put_final_weights(other)
    for mine, theirs in zip(average, other.parameters, strict=True):
        assert torch.equal(mine, theirs)


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
