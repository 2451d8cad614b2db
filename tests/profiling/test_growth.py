from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from hasten.data.datasets import Windows
from hasten.profiling.growth import growths
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.task import Data, Task

MakeTask = Callable[..., Task]


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.head = nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        scores = (x @ x.transpose(1, 2)).softmax(-1)
        return self.head(scores @ x)


def test_cost_grows_with_batch_and_length_as_counted(make_task: MakeTask) -> None:
    text = Windows(torch.arange(20_000) % 11, 128)
    task = make_task(data=Data(train=text, valid=text), model=Attending, batch_size=8, metric="loss")
    remarks: list[str] = []
    found = {(one.cost, one.over): one for one in growths(build(baseline(task)), budget_s=8.0, remarks=remarks)}
    assert set(found) == {(cost, over) for cost in ("time", "memory") for over in ("batch size", "sequence length")}
    assert found["time", "batch size"].theory == pytest.approx(1.0, abs=0.01)
    assert 1.3 < found["memory", "sequence length"].theory < 2.0  # the scores are quadratic, the rest is linear
    assert 1.0 < found["memory", "sequence length"].exponent.value < 2.0
    assert found["memory", "batch size"].exponent.value == pytest.approx(1.0, abs=0.1)
    for one in found.values():
        assert len(one.sizes) == len(one.costs) == one.exponent.n >= 3
        assert all(cost > 0 for cost in one.costs)
    assert remarks == []


def test_sizes_that_fail_are_told_and_end_the_series(make_task: MakeTask) -> None:
    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            if len(inputs) > 32:
                raise MemoryError
            return F.relu(self.layer(inputs))

    remarks: list[str] = []
    found = growths(build(baseline(make_task(model=Picky))), budget_s=4.0, remarks=remarks)
    assert {one.sizes for one in found} == {(8, 16, 32)}
    assert remarks == ["batch size 64 could not be measured: out of memory"]


class Pooled(nn.Module):
    """Takes images of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
        self.head = nn.Linear(16, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.layers(inputs).mean((2, 3)))


def pictures(side: int) -> Data:
    images = TensorDataset(torch.randn(64, 1, side, side), torch.arange(64) % 4)
    return Data(train=images, valid=images)


def test_cost_grows_with_the_side_of_images_where_the_model_takes_other_sizes(make_task: MakeTask) -> None:
    remarks: list[str] = []
    task = make_task(data=pictures(24), model=Pooled, batch_size=16)
    found = {
        one.cost: one for one in growths(build(baseline(task)), budget_s=8.0, remarks=remarks) if "image" in one.over
    }
    assert found["time"].sizes == found["memory"].sizes == (12, 18, 24, 36, 48)
    assert found["time"].theory == pytest.approx(2.0, abs=0.05)
    assert found["memory"].theory == pytest.approx(2.0, abs=0.05)
    assert found["memory"].exponent.value == pytest.approx(2.0, abs=0.1)
    assert 1.0 < found["time"].exponent.value < 3.0
    assert remarks == []


def test_a_model_that_takes_one_size_of_images_only_is_told(make_task: MakeTask) -> None:
    remarks: list[str] = []
    model = lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 4))  # noqa: E731
    task = make_task(data=pictures(16), model=model, batch_size=16)
    found = growths(build(baseline(task)), budget_s=4.0, remarks=remarks)
    assert {one.over for one in found} == {"batch size"}
    assert remarks == ["growth over image size is not measured: the model takes only images of 16 pixels"]
