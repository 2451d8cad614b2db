"""Equal values have equal descriptions, in every process; other values have others."""

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, SequentialSampler

from hasten import Data, Plan
from hasten.training.building import build
from hasten.training.description import described, described_layer
from hasten.training.identity import _loader, identity
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task

RATE = 1.0


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Options:
    rate: float
    name: str = "a"


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value

    def call(self) -> object:
        return self.value

    def other(self) -> object:
        return self.value


class Slots:
    __slots__ = ("value",)


def with_default(value: float) -> Callable[..., Any]:
    def function(x: float = value) -> float:
        return x

    return function


def with_keyword(value: float) -> Callable[..., Any]:
    def function(*, x: float = value) -> float:
        return x

    return function


def closing_over(value: object) -> Callable[..., Any]:
    return lambda: value


def nested(depth: int, value: int) -> list[Any]:
    found: list[Any] = [value]
    for _ in range(depth - 1):
        found = [found]
    return found


def array(size: int, place: int) -> np.ndarray[Any, Any]:
    values = np.zeros(size, np.uint8)
    values[place] = 1
    return values


DIFFERENT: list[tuple[object, object]] = [
    (1, 2),
    (1, "1"),
    (True, False),
    (None, 0),
    (b"a", b"b"),
    ("a", "b"),
    (torch.float32, torch.float64),
    (Path("/x/a"), Path("/x/b")),
    (Color.RED, Color.BLUE),
    (np.float32(0.5), np.float32(0.25)),
    (Options(1.0), Options(2.0)),
    (Options(1.0), Options(1.0, "b")),
    (Plain(1), Plain(2)),
    (Plain(1).call, Plain(2).call),
    (Plain(1).call, Plain(1).other),
    (functools.partial(int, "1"), functools.partial(int, "2")),
    (functools.partial(int, base=2), functools.partial(int, base=3)),
    (functools.partial(int), functools.partial(float)),
    ([1, 2], [2, 1]),
    ({1, 2}, {1, 3}),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    (with_default(1.0), with_default(2.0)),
    (with_keyword(1.0), with_keyword(2.0)),
    (closing_over(1.0), closing_over(2.0)),
    (lambda x: x + 1, lambda x: x - 1),
    (lambda x: abs(x), lambda x: len(x)),
    (lambda: lambda: 1, lambda: lambda: 2),
    (int, float),
    (torch.zeros(3), torch.zeros(3, dtype=torch.float64)),
    (torch.zeros(3), torch.zeros(1, 3)),
    (torch.zeros(3), torch.ones(3)),
    (np.zeros(3), np.ones(3)),
    (array(1000, 1), array(1000, 3)),
    (array(2**20, 1), array(2**20, 3)),
    (array(2**21, 2), array(2**21, 4)),
    (nested(7, 1), nested(7, 2)),
    ([*range(200)], [*range(199), 0]),
    ([0] * 201, [0] * 202),
    (nn.Linear(2, 2), nn.Linear(2, 3)),
    (nn.Dropout(0.1), nn.Dropout(0.2)),
    (nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_values_have_other_descriptions(one: object, other: object) -> None:
    assert described(one) != described(other)
    assert described(one) == described(one)


def documented(x: float) -> float:
    """With a docstring."""
    return x + RATE


def plain(x: float) -> float:
    # without one
    return x + RATE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/home/a/data.csv", "/mnt/b/data.csv"),
        ("C:\\a\\data.csv", "/mnt/data.csv"),
        ("/home/a/data/", "/mnt/data"),
        (Path("/home/a/data.csv"), "/mnt/data.csv"),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x", "y", "z"}, {"z", "x", "y"}),
        (frozenset({3, 1}), frozenset({1, 3})),
        (Plain(1), Plain(1)),
        (Plain(1).call, Plain(1).call),
        (nested(8, 1), nested(8, 2)),
        (array(2**21, 1), array(2**21, 3)),
        (closing_over([1]), closing_over([1])),
        (torch.ones(2, 2).T, torch.ones(2, 2)),
    ],
)
def test_equal_values_have_equal_descriptions(one: object, other: object) -> None:
    assert described(one) == described(other)


def test_comments_docstrings_and_line_numbers_do_not_count_but_globals_do(monkeypatch: pytest.MonkeyPatch) -> None:
    text = described(plain)
    assert text.removeprefix("plain") == described(documented).removeprefix("documented")
    monkeypatch.setitem(globals(), "RATE", 2.0)
    assert described(plain) != text


def test_what_refers_to_itself_ends() -> None:
    own: list[Any] = [1]
    own.append(own)
    assert described(own) == "(1, list)"
    thing = Plain(None)
    thing.value = thing
    assert "value=Plain" in described(thing)

    def again(n: int) -> int:
        return again(n - 1)

    assert described(again) == described(again)
    if described is None:  # never: `late` has a cell without a value
        late = 1
    assert described(lambda: late).startswith("<lambda> (code ")


def test_long_lists_say_how_much_is_left_out() -> None:
    assert described([0] * 201).endswith("0, and 1 more)")
    assert "more" not in described([0] * 200)
    assert described(Slots()) == "Slots"


def test_what_a_layer_is_described_by() -> None:
    layer = nn.Linear(2, 3)
    assert described_layer(layer) == "Linear(in_features=2, out_features=3)"
    assert described_layer(nn.Sequential(layer)) == "Sequential()"

    class Own(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    own = Own(2, 3)
    own.activation = torch.relu  # type: ignore[assignment]
    own.helper = Plain(1)  # type: ignore[assignment]  (an object with parts is no option)
    text = described_layer(own)
    assert text.startswith("Own(activation=_VariableFunctionsClass.relu, in_features=2, out_features=3) (code ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"drop_last": True}, {}),
        ({"collate_fn": lambda samples: samples}, {}),
        ({"sampler": SequentialSampler([0] * 9)}, {"shuffle": True}),
    ],
)
def test_what_decides_the_batches_of_a_loader_is_part_of_the_identity(one: Any, other: Any) -> None:
    data = mlp_task().data
    first, second = (DataLoader(data.train, batch_size=8, **options) for options in (one, other))
    assert _loader(first) != _loader(second)
    assert "num_workers" not in _loader(first), "samples that draw nothing do not depend on it"


class Drawn(IterableDataset[Any]):
    def __init__(self, size: int = 3) -> None:
        self.size = size

    def __iter__(self) -> Any:
        return iter([(torch.zeros(5), 0)] * self.size)


def batches() -> list[Any]:
    return [(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64))]


def test_a_stream_is_described_by_its_workers_and_what_it_iterates() -> None:
    texts = [
        _loader(DataLoader(Drawn(size), batch_size=2, num_workers=workers))
        for size, workers in ((3, 0), (4, 0), (3, 1))
    ]
    assert len(set(texts)) == 3
    assert "num_workers 1" in texts[2]
    assert "dataset Drawn(size=4)" in texts[1]
    run = build(baseline(mlp_task(data=Data(train=DataLoader(Drawn()), valid=batches), batch_size=1)))
    found = identity(run, Plan(task="tiny"))
    assert found["training data"].startswith("a stream: ")
    assert found["validation data"].startswith("a stream: batches (code ")
    assert found["training samples"] is None


def test_without_validation_data_the_identity_says_none() -> None:
    task = mlp_task(data=Data(train=mlp_task().data.train), validate=lambda model: {"loss": 0.0}, metric="loss")
    assert identity(build(baseline(task)), Plan(task="tiny"))["validation data"] == "none"


class RefersToALayer(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if LAYER is self else x + 1


LAYER = RefersToALayer()


def test_a_layer_whose_class_refers_to_a_layer_of_it_ends() -> None:
    assert "RefersToALayer" in described_layer(LAYER)
