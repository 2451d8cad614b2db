"""Batches made ahead are the same ones, and the thread that makes them always ends."""

import threading
from collections.abc import Iterator
from time import perf_counter, sleep

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from hasten.base.errors import BadInput
from hasten.data.loading.choose import fastest
from hasten.data.loading.loaders import Fetched, gathered
from hasten.data.loading.prefetch import prefetched
from hasten.data.loading.resident import nbytes_of, resident


def producers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "hasten-prefetch"]


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 30), depth=st.integers(1, 8))
def test_the_same_items_in_the_same_order(count: int, depth: int) -> None:
    assert list(prefetched(iter(range(count)), depth)) == list(range(count))
    assert producers() == []


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_leaving_early_ends_the_thread_and_closes_the_stream(taken: int) -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            closed.set()

    stream = prefetched(endless(), 2)
    for _ in range(taken):
        next(stream)
    assert len(producers()) == (taken > 0)
    stream.close()
    assert producers() == []
    assert closed.is_set() == (taken > 0)


def test_breaking_out_of_a_loop_ends_the_thread() -> None:
    for number in prefetched(iter(range(100)), 3):
        if number == 4:
            break
    assert producers() == []


def test_no_more_than_depth_items_are_made_ahead() -> None:
    made = []
    stream = prefetched((made.append(number) or number for number in range(50)), 3)
    next(stream)
    end = perf_counter() + 5
    while len(made) < 4 and perf_counter() < end:
        sleep(0.001)
    sleep(0.02)
    assert made == [0, 1, 2, 3]
    stream.close()


def test_an_error_comes_after_the_items_before_it_with_its_own_message() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise BadInput("block 7 must be whole.")

    stream = prefetched(failing(), 5)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(BadInput, match="block 7"):
        next(stream)
    assert producers() == []


def test_the_thread_has_one_torch_thread_and_the_others_keep_theirs() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inside = list(prefetched((torch.get_num_threads() for _ in range(3)), 2))
        outside = torch.get_num_threads()
        later: list[int] = []
        other = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        other.start()
        other.join()
    finally:
        torch.set_num_threads(before)
    assert inside == [1, 1, 1]
    assert (outside, later) == (2, [2])


def data(count: int = 23) -> TensorDataset:
    return TensorDataset(torch.randint(0, 256, (count, 5, 3), dtype=torch.uint8), torch.arange(count))


@pytest.mark.parametrize("batch_size", [1, 4, 23, 40])
def test_resident_batches_equal_gathered_ones(batch_size: int) -> None:
    dataset, ids = data(), torch.randperm(23)
    assert nbytes_of(dataset) == 23 * (15 + 8)
    for mine, theirs in zip(
        resident(dataset, batch_size, device="cpu")(ids), gathered(dataset, batch_size)(ids), strict=True
    ):
        assert torch.equal(mine[0], theirs[0])
        assert all(torch.equal(a, b) for a, b in zip(mine[1], theirs[1], strict=True))


@pytest.mark.gpu
def test_resident_batches_are_on_the_device() -> None:
    dataset, ids = data(), torch.randperm(23)
    for (own, batch), (_, expected) in zip(
        resident(dataset, 4, device="cuda")(ids), gathered(dataset, 4)(ids), strict=True
    ):
        assert not own.is_cuda
        assert all(a.is_cuda and torch.equal(a.cpu(), b) for a, b in zip(batch, expected, strict=True))


def test_the_fastest_way_is_found_soon() -> None:
    dataset, ids = data(), torch.arange(23)

    def slow() -> Iterator[Fetched]:
        for fetched in gathered(dataset, 4)(ids):
            sleep(0.01)
            yield fetched

    begin = perf_counter()
    choice = fastest({"slow": slow, "gathered": lambda: gathered(dataset, 4)(ids)}, budget_s=0.3)
    assert perf_counter() - begin < 5  # under a second on a machine that does nothing else
    assert choice.name == "gathered"
    assert list(choice.samples_per_s) == ["gathered", "slow"]
    assert choice.samples_per_s["slow"] < 400
    with pytest.raises(BadInput, match="'none' yields none"):
        fastest({"none": lambda: iter(())})
    with pytest.raises(BadInput, match="at least one way"):
        fastest({})
