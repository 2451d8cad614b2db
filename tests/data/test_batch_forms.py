"""Batches of any form: what is the target, how many samples, and the laws of splitting, joining and selecting."""

import math
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from hasten.base.errors import BadInput
from hasten.data.batch import (
    arguments_of,
    concatenate,
    first_input,
    has_target,
    inputs_of,
    map_inputs,
    map_tensors,
    nbytes_of,
    select,
    size_of,
    split_batch,
    target_of,
    tensors_of,
    to_device,
    unsplittable,
    with_first_input,
    with_target,
)


class Pair(NamedTuple):
    image: Any
    y: Any


@dataclass
class Record:
    image: Any
    target: Any
    name: str = "a"


@dataclass(frozen=True)
class Frozen:
    image: Any
    label: Any


class Encoding(UserDict[str, Any]):
    """A mapping with a state of its own, as transformers' BatchEncoding."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.origin = "text"


class Graph:
    """What a graph batch looks like from outside."""

    def __init__(self, x: Tensor, y: Tensor, num_graphs: int) -> None:
        self.x, self.y, self.num_graphs = x, y, num_graphs

    def to(self, device: Any) -> "Graph":
        return Graph(self.x.to(device), self.y.to(device), self.num_graphs)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, (dict, UserDict)):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def leaves(samples: int) -> st.SearchStrategy[Any]:
    """Leaves of which it is plain whether they carry samples: sizes other than `samples` never occur by chance."""
    rows = st.lists(st.integers(1, 3), max_size=2).map(lambda shape: torch.randn(samples, *shape))
    return st.one_of(
        rows,
        rows.map(lambda one: one.to(torch.complex64)),
        st.just(np.arange(samples * 2).reshape(samples, 2)),
        st.just([f"text {number}" for number in range(samples)]),
        st.just(tuple({"boxes": torch.randn(number + 30, 4)} for number in range(samples))),
        st.sampled_from([None, 3, 1.5, "shared", torch.tensor(2.0)]),
    )


def trees(samples: int) -> st.SearchStrategy[Any]:
    inner = st.recursive(
        leaves(samples),
        lambda parts: st.one_of(
            st.dictionaries(st.sampled_from("abc"), parts, min_size=1, max_size=3),
            st.builds(Pair, parts, parts),
            st.builds(Frozen, parts, parts),
        ),
        max_leaves=4,
    )
    labels = st.just(torch.arange(samples))
    return st.one_of(
        st.tuples(inner, labels),
        st.tuples(inner.map(lambda one: [one] * 11), labels),  # more columns than there are samples
        st.tuples(inner, inner, labels).map(list),
        st.builds(lambda one, two: {"input": one, "labels": two}, inner, labels),
        st.builds(lambda one, two: OrderedDict(x=one, target=two), inner, labels),
        st.builds(lambda one, two: Encoding({"x": one, "label": two}), inner, labels),
        st.builds(Pair, inner, labels),
        st.builds(Record, inner, labels),
        st.builds(Frozen, inner, labels),
    )


few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sized_trees = st.integers(2, 9).flatmap(lambda samples: st.tuples(st.just(samples), trees(samples)))


@few
@given(sized_trees, st.integers(1, 12), st.booleans())
def test_splitting_and_joining_gives_the_batch_back(case: tuple[int, Any], size: int, unsafe: bool):
    samples, batch = case
    parts = split_batch(batch, size, unsafe=unsafe)
    assert len(parts) == math.ceil(samples / size)
    assert sum(map(size_of, parts)) == samples == size_of(batch)
    assert same(concatenate(parts), batch)


@few
@given(sized_trees)
def test_samples_selected_one_by_one_join_to_the_batch(case: tuple[int, Any]):
    samples, batch = case
    single = [select(batch, torch.tensor([number])) for number in range(samples)]
    assert same(concatenate(single), batch)
    assert same(select(batch, slice(None)), batch)
    assert same(select(batch, slice(0, 1)), single[0])


@few
@given(sized_trees)
def test_maps_keep_the_form_and_what_is_no_tensor(case: tuple[int, Any]):
    _, batch = case
    assert same(map_tensors(batch, torch.clone), batch)
    assert same(to_device(batch, "cpu"), batch)
    assert same(map_inputs(batch, torch.clone), batch)
    assert same(with_target(batch, target_of(batch)), batch)
    changed = with_target(batch, torch.zeros(1))
    assert torch.equal(target_of(changed), torch.zeros(1))
    assert same(inputs_of(changed), inputs_of(batch))
    assert nbytes_of(batch) == sum(one.nbytes for one in tensors_of(batch))


X, Y = torch.randn(6, 3), torch.arange(6)


@pytest.mark.parametrize(
    "batch",
    [
        (X, Y),
        [X, Y],
        {"x": X, "labels": Y},
        {"y": Y, "x": X},
        Encoding({"x": X, "labels": Y}),
        Pair(X, Y),
        Record(X, Y),
        Frozen(X, Y),
        namedtuple("Named", "first second")(X, Y),
        Graph(X, Y, 6),
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_the_target_and_the_size_of_each_form(batch: Any):
    assert has_target(batch)
    assert target_of(batch) is Y
    assert size_of(batch) == 6


@pytest.mark.parametrize("batch", [X, (X,), {"x": X, "mask": X}], ids=["tensor", "one of a tuple", "dict"])
def test_a_batch_without_a_target_says_so(batch: Any):
    assert not has_target(batch)
    assert size_of(batch) == 6
    with pytest.raises(BadInput, match="objective"):
        target_of(batch)


def test_arguments_of_the_model():
    assert arguments_of((X, Y)) == ((X,), {})
    assert arguments_of({"labels": Y, "x": X}) == ((), {"x": X})
    assert arguments_of({"labels": Y, "x": X}, whole=True) == ((), {"labels": Y, "x": X})
    assert arguments_of(Pair(Y, X))[0] == (Y,)
    assert arguments_of(Record(X, Y)) == ((), {"image": X, "name": "a"})
    assert arguments_of(X) == ((X,), {})
    assert arguments_of((X,)) == ((X,), {})
    packed = pack_sequence([torch.zeros(3), torch.zeros(2)])
    assert arguments_of((packed, Y))[0][0] is packed
    graph = Graph(X, Y, 6)
    assert arguments_of(graph) == ((graph,), {})


def test_only_the_input_is_replaced_where_the_target_is_the_same_tensor():
    changed = with_first_input((X, X), Y)
    assert first_input(changed) is Y
    assert target_of(changed) is X
    assert first_input({"labels": Y, "x": [X]}) is X


def test_lists_of_samples_and_lists_of_columns_are_told_apart():
    images = tuple(torch.randn(3, 8 + number, 8) for number in range(5))
    boxes = tuple({"boxes": torch.randn(number, 4), "labels": torch.zeros(number)} for number in range(5))
    first, second = split_batch((images, boxes), 3)
    assert (size_of(first), size_of(second)) == (3, 2)
    assert first[0] == images[:3]
    assert second[1] == boxes[3:]
    assert same(concatenate([first, second]), (images, boxes))
    columns = [[torch.randn(2, 3), torch.randn(2, 4)], torch.arange(2)]
    assert same(select(columns, slice(1)), [[columns[0][0][:1], columns[0][1][:1]], torch.arange(1)])
    multi_task = [torch.randn(7, 3), [torch.randn(7), torch.randn(7)]]
    assert size_of(multi_task) == 7
    assert same(concatenate(split_batch(multi_task, 3)), multi_task)


def test_opaque_batches_move_as_a_whole_and_are_never_taken_apart():
    packed = pack_sequence([torch.randn(4, 2), torch.randn(3, 2)])
    for batch, where in ((Graph(X, Y, 6), "Graph"), ((packed, torch.arange(2)), r"PackedSequence at \[0\]")):
        assert unsplittable(batch) is not None
        with pytest.raises(BadInput, match=where):
            split_batch(batch, 1)
        with pytest.raises(BadInput, match=where):
            select(batch, slice(1))
        with pytest.raises(BadInput, match=where):
            concatenate([batch, batch])
    moved = to_device(Graph(X, Y, 6), "meta")
    assert moved.x.is_meta
    assert moved.num_graphs == 6
    assert to_device((packed, Y), "meta")[0].data.is_meta
    assert size_of(packed) == 2
    assert nbytes_of((packed, Y)) >= packed.data.nbytes + Y.nbytes


def test_what_belongs_to_the_whole_batch_must_agree_when_batches_are_joined():
    with pytest.raises(BadInput, match="the same in all"):
        concatenate([{"x": X, "scale": 1.0, "y": Y}, {"x": X, "scale": 2.0, "y": Y}])
    with pytest.raises(BadInput, match="one form"):
        concatenate([{"x": X, "y": Y}, {"z": X, "y": Y}])


def test_a_mapping_of_its_own_class_keeps_its_state():
    batch = Encoding({"x": X, "labels": Y})
    batch.origin = "changed"
    assert [part.origin for part in split_batch(batch, 4)] == ["changed", "changed"]
    assert batch["x"] is X
