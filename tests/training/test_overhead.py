"""The loop stays lean: its calls per step beside those of the shortest hand-written loop. Counts ignore load."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from benchmarks.counting import calls
from hasten import Data, Stop, Task, Update
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

EXTRA = -12
"""Calls per step, of Python and C functions, that hasten may make beyond the hand-written loop: -13 now.

It makes fewer, since it leaves out what torch puts around `optimizer.step()` and `zero_grad()`.
"""


def task(steps: int) -> Task:
    x = torch.randn(16, 3)
    data = TensorDataset(x, x.sum(1, keepdim=True))
    stop, update = Stop(steps=steps, evaluate_every=steps), Update(optimizer="sgd", lr=0.1)
    return Task(
        name="tiny", data=Data(train=data, valid=data), model=lambda: nn.Linear(3, 1), loss="mse", metric="loss",
        update=update, batch_size=None, stop=stop,
    )  # fmt: skip


def by_hand(steps: int) -> Callable[[], object]:
    model, (x, y) = nn.Linear(3, 1), task(steps).data.train.tensors
    optimizer, losses = optim.SGD(model.parameters(), lr=0.1), list[torch.Tensor]()

    def loop() -> None:
        for _ in range(steps):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())

    return loop


def with_hasten(steps: int) -> Callable[[], object]:
    run = build(replace(baseline(task(steps)), task=task(steps)))
    return lambda: list(train(run))


def test_a_step_makes_few_calls_beyond_the_hand_written_one() -> None:
    per_step = {}
    for name, make in (("hasten", with_hasten), ("by hand", by_hand)):
        few, many = calls(make(50)), calls(make(250))
        per_step[name] = (many - few) / 200
    assert per_step["by hand"] > 50
    assert per_step["hasten"] - per_step["by hand"] < EXTRA, per_step
