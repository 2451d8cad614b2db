from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn, optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import TensorDataset

from hasten.base.device import Device
from hasten.base.records.signals import Structure
from hasten.profiling.operators import operator_times
from hasten.profiling.stepping import batches_in_turn
from hasten.profiling.structure import fused_update, structure_of
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.task import Data, Task

MakeTask = Callable[..., Task]


class OneByOne(nn.Module):
    """Computes sample after sample."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.stack([self.layer(inputs[index]) for index in range(len(inputs))])


class OverTime(nn.Module):
    """Computes all samples at once, one time after another; there are more times than samples in a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        last = inputs.new_zeros(len(inputs), 4)
        for time in inputs.t():
            last = torch.tanh(self.layer(time.unsqueeze(1)) + last)
        for place in range(inputs.shape[1]):
            last = last + inputs[:, place, None] + inputs.t()[place].unsqueeze(1)
        return last


class Packed(nn.Module):
    """Packs sequences of many lengths; what torch does for each time is no loop of Python's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8, 4)
        self.recurrent = nn.GRU(4, 4, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        lengths = (tokens > 0).sum(1)
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)[0].sum(1)


class Biased(nn.Module):
    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 8, 3, bias=bias)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        images = inputs.view(-1, 1, 4, 4)
        return self.head(self.norm(self.convolution(images)).mean((2, 3)))


def structure(task: Task) -> Structure:
    run = build(baseline(task))
    operators = operator_times(run, list(islice(batches_in_turn(run), 3))).operators
    return structure_of(run, operators, recompilations=None)


def names(found: Structure) -> list[str]:
    return [habit.name for habit in found.habits]


def test_a_loop_over_samples_is_a_habit(make_task: MakeTask) -> None:
    found = structure(make_task(model=OneByOne))
    assert names(found) == ["loop_indexing"]
    assert found.habits[0].seconds > 0


def test_a_loop_over_time_is_none_over_samples(make_task: MakeTask) -> None:
    assert names(structure(make_task(model=OverTime, batch_size=12))) == []


def test_packed_sequences_are_no_loop_and_no_padding(make_task: MakeTask) -> None:
    tokens = torch.ones(96, 24, dtype=torch.int64)
    tokens[:, 1] = 2
    tokens[1::2, 4:] = 0
    data = TensorDataset(tokens, tokens[:, 0])
    found = structure(make_task(data=Data(train=data, valid=data), model=Packed, batch_size=12))
    assert names(found) == []
    assert found.padding_share is None


def test_a_bias_before_normalization_is_a_habit(make_task: MakeTask) -> None:
    found = structure(make_task(model=lambda: Biased(bias=True)))
    assert names(found) == ["bias_before_norm"]
    assert found.habits[0].where == "convolution"
    assert found.habits[0].seconds > 0
    assert names(structure(make_task(model=lambda: Biased(bias=False)))) == []


def test_double_precision_is_a_habit(make_task: MakeTask) -> None:
    task = make_task()
    inputs, labels = task.data.train.tensors  # type: ignore[attr-defined]
    doubled = TensorDataset(inputs.double(), labels)
    found = structure(make_task(data=Data(train=doubled, valid=doubled), model=lambda: nn.Linear(16, 4).double()))
    assert "double_precision" in names(found)
    assert found.number_format == "float64"


def test_anomaly_detection_is_a_habit_and_stays_on(make_task: MakeTask) -> None:
    with torch.autograd.set_detect_anomaly(True):
        found = structure(make_task())
        assert torch.is_anomaly_enabled()
    assert names(found) == ["anomaly_detection"]


def test_an_ordinary_model_has_no_habit(make_task: MakeTask) -> None:
    found = structure(make_task())
    assert found.habits == ()
    assert found.number_format == "float32"
    assert found.fused_update is False
    assert found.padding_share is None
    assert (found.sync_points, found.queue_empty_share) == (None, None)


def test_a_fused_optimizer_is_seen() -> None:
    parameters = [nn.Parameter(torch.ones(3))]
    assert fused_update(optim.AdamW(parameters, fused=True), Device("cpu")) is True
    assert fused_update(optim.AdamW(parameters), Device("cpu")) is False
    assert fused_update(optim.AdamW(parameters), Device("cuda")) is True
    assert fused_update(optim.LBFGS(parameters), Device("cpu")) is None
