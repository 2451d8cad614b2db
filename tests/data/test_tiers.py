"""Threads and another process hand out the same batches, nothing of them stays; the fastest way is found by trial."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, TensorDataset

from hasten.data.loading.choose import fastest
from hasten.data.loading.decode import in_threads
from hasten.data.loading.loaders import Fetch, per_sample
from hasten.data.loading.tiers import GATHER, OWN, PROCESS, THREADS, FastestTier, tiers
from hasten.data.loading.workers import Workers


class Squares(Dataset[Any]):
    """Samples computed one at a time; `wait_s` as decoding would, which releases the lock."""

    def __init__(self, size: int = 23, wait_s: float = 0.0, broken: int = -1) -> None:
        self.size, self.wait_s, self.broken = size, wait_s, broken

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == self.broken:
            raise ValueError(f"sample {index} does not decode")
        if self.wait_s:
            sleep(self.wait_s)
        return torch.tensor([index, index**2]), index % 3


class Together(Squares):
    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [self[index] for index in indices]


def same(mine: Fetch, theirs: Fetch, ids: torch.Tensor) -> None:
    ours, others = list(mine(ids)), list(theirs(ids))
    assert len(ours) == len(others)
    for (own_ids, own), (other_ids, other) in zip(ours, others, strict=True):
        assert torch.equal(own_ids, other_ids)
        assert [column.dtype for column in own] == [column.dtype for column in other]
        assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))


def nothing_left() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hasten-decode")]
    assert multiprocessing.active_children() == []


@settings(max_examples=20, deadline=None)
@given(
    order=st.lists(st.integers(0, 22), min_size=1, max_size=40),
    batch_size=st.integers(1, 9),
    threads=st.integers(1, 4),
    dataset=st.sampled_from([Squares(), Together()]),
)
def test_threads_hand_out_what_the_plain_loader_does(
    order: list[int], batch_size: int, threads: int, dataset: Squares
) -> None:
    ids = torch.tensor(order, dtype=torch.int64)
    before = torch.get_num_threads()
    same(in_threads(dataset, batch_size, threads=threads), per_sample(dataset, batch_size), ids)
    assert torch.get_num_threads() == before
    nothing_left()


@pytest.mark.parametrize("dataset", [Squares(), Together()])
def test_another_process_hands_out_what_the_plain_loader_does(dataset: Squares) -> None:
    state = torch.get_rng_state()
    same(Workers(1, 2)(dataset, 4), per_sample(dataset, 4), torch.randperm(23, generator=torch.Generator()))
    assert torch.equal(state, torch.get_rng_state())
    nothing_left()


@pytest.mark.parametrize("way", [in_threads, lambda dataset, size, threads: Workers(1, threads)(dataset, size)])
def test_leaving_early_leaves_no_thread_and_no_process(way: Any) -> None:
    for number, _ in enumerate(way(Squares(500), 4, threads=2)(torch.arange(500))):
        if number == 2:
            break
    nothing_left()


@pytest.mark.parametrize("way", [in_threads, lambda dataset, size, threads: Workers(1, threads)(dataset, size)])
def test_a_sample_that_fails_is_told_with_its_own_error(way: Any) -> None:
    fetched = way(Squares(broken=9), 4, threads=2)(torch.arange(23))
    with pytest.raises(ValueError, match="sample 9 does not decode"):
        list(fetched)
    del fetched
    nothing_left()


def test_threads_share_the_waiting() -> None:
    def rate(fetch: Fetch) -> float:
        begin = perf_counter()
        list(fetch(torch.arange(40)))
        return 40 / (perf_counter() - begin)

    slow = Squares(40, wait_s=0.01)
    assert rate(in_threads(slow, 20, threads=4)) > 1.5 * rate(per_sample(slow, 20))


KILLED = """
import os, signal, sys, torch, psutil
sys.path.insert(0, sys.argv[1])
from test_tiers import Squares
from hasten.data.loading.workers import Workers
for number, _ in enumerate(Workers(1, 2)(Squares(100_000), 4)(torch.arange(100_000))):
    if number == 3:
        print(*[child.pid for child in psutil.Process().children()], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_no_shared_memory() -> None:
    shared = Path("/dev/shm")
    before = set(os.listdir(shared)) if shared.is_dir() else set()
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    children = [int(pid) for pid in run.stdout.split()]
    assert children
    end = perf_counter() + 30
    while any(psutil.pid_exists(pid) for pid in children) and perf_counter() < end:
        sleep(0.1)
    assert not [pid for pid in children if psutil.pid_exists(pid)]
    assert {name for name in set(os.listdir(shared)) - before if name.startswith("torch_")} == set()


def test_the_ways_are_those_that_the_data_allow() -> None:
    plain = tiers(Squares(), device="cpu", threads=2, share=0.3)
    assert list(plain) == [OWN, THREADS, PROCESS]
    arrays = TensorDataset(torch.randn(30, 2), torch.arange(30))
    assert list(tiers(arrays, device="cpu", threads=2, share=0.3)) == [OWN, GATHER, THREADS, PROCESS]


def test_the_fastest_is_picked_in_about_a_second_and_not_timed_again() -> None:
    arrays = TensorDataset(torch.randn(300, 4), torch.arange(300))
    loader = FastestTier(device="cpu", threads=2, share=0.3)
    picked = loader(arrays, 32)
    assert picked.choice.name == GATHER
    assert set(picked.choice.samples_per_s) == {OWN, GATHER, THREADS, PROCESS}
    same(picked, per_sample(arrays, 32), torch.randperm(300))
    other = TensorDataset(torch.randn(50, 4), torch.arange(50))
    assert loader(other, 10).choice is picked.choice

    slow = Squares(200, wait_s=0.002)
    begin = perf_counter()
    picked = loader(slow, 64)
    assert perf_counter() - begin < 5  # a second on a machine that does nothing else
    assert picked.choice.name in (THREADS, PROCESS)
    same(picked, per_sample(slow, 64), torch.randperm(30))
    nothing_left()


def test_what_another_process_made_ahead_is_not_timed() -> None:
    def steady() -> Any:
        while True:
            sleep(0.06)  # in which the process makes all that it makes ahead
            yield torch.arange(1), ()

    def rate(ahead: dict[str, int]) -> float:
        process = Workers(1)(Squares(10_000, wait_s=0.02), 1)
        ways = {"process": lambda: process(torch.arange(10_000)), "steady": steady}
        return fastest(ways, budget_s=0.1, ahead=ahead).samples_per_s["process"]

    assert rate({"process": 2}) < 65  # 50 in truth
    assert rate({}) > 75
    nothing_left()
