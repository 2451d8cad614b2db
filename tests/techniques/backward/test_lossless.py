"""Signs as bits and equal tensors once: the same bits, fewer bytes, and what may not be changed in between."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten import Task
from hasten.base.errors import BadInput
from hasten.machine import facts
from hasten.measurement.memory import peak_memory
from hasten.techniques.applying import make
from hasten.techniques.backward.lossless import Known, _BitReLU, lone_relus
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.running import plain_model

from tiny_tasks import mlp_task


def test_a_relu_in_bits_has_the_bits_of_torchs() -> None:
    values = torch.randn(7, 13)
    values[0, :4] = torch.tensor([0.0, -0.0, float("nan"), float("inf")])
    slope = torch.randn(7, 13)
    found: list[tuple[Tensor, Tensor]] = []
    for relu in (_BitReLU.apply, torch.relu):
        given = values.clone().requires_grad_()
        made = relu(given)
        made.backward(slope)
        found.append((made.detach(), given.grad))  # type: ignore[arg-type]
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


class Summed(nn.Module):
    """A ReLU before a linear layer, which keeps its result, and others before an addition: nobody keeps theirs."""

    def __init__(self, twice: bool = False) -> None:
        super().__init__()
        self.first, self.last, self.kept, self.twice = nn.Linear(5, 64), nn.Linear(64, 2), nn.ReLU(), twice
        self.lone = nn.ModuleList(nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.kept(self.first(x))
        for one in self.lone:
            x = x + one(x)
        return self.last(torch.tanh(x) * torch.tanh(x.clone()) if self.twice else x)


def task(twice: bool = False) -> Task:
    return mlp_task(model=lambda: Summed(twice), samples=120, batch_size=40)


def test_only_relus_whose_result_nobody_else_keeps_are_found() -> None:
    model = Summed()
    assert lone_relus(model, lambda: model(torch.randn(3, 5))) == [f"lone.{place}.1" for place in range(6)]
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("twice", [False, True])
def test_training_has_the_same_bits_in_fewer_bytes(twice: bool) -> None:
    recipe = baseline(task(twice))
    technique = make("lossless_saved")
    assert technique.refuse(recipe, facts()) is None
    plain = build(recipe)
    list(train(plain))
    run = build(technique.apply(recipe))
    list(train(run))
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        assert torch.equal(mine, theirs)
    peaks: list[int] = []
    for one in (plain, run):
        _, batch = next(one.batches())
        output = peak_memory(lambda one=one, batch=batch: kept.append(one.predict(batch)))
        kept.clear()
        peaks.append(output.peak_bytes)
    assert peaks[1] < peaks[0]
    assert type(plain_model(run).lone[0][1]) is nn.ReLU


kept: list[Tensor] = []
"""Outputs that keep their graph alive while memory is looked at."""


def test_equal_tensors_are_found_by_their_bits() -> None:
    known, tensor = Known(), torch.randn(300)
    assert known.same(tensor) is None
    assert known.same(tensor) is None  # itself: there is nothing to gain
    again = known.same(tensor.clone())
    assert again is not None
    assert again() is tensor
    other = tensor.clone()
    other[299] += 1e-6
    assert known.same(other) is None
    zeros = torch.zeros(300)
    assert known.same(zeros) is None
    assert known.same(-zeros) is None
    assert known.same(torch.zeros(30, 10)) is None
    assert known.same(torch.zeros(10, 30).t()) is None


def test_a_change_in_place_of_what_stands_for_another_is_told() -> None:
    known, tensor = Known(), torch.randn(300)
    known.same(tensor)
    again = known.same(tensor.clone())
    assert again is not None
    tensor.add_(1)
    with pytest.raises(BadInput, match="changed in place"):
        again()


def test_a_functional_relu_is_left_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    assert lone_relus(model, lambda: F.relu(model(torch.randn(3, 5)))) == []
