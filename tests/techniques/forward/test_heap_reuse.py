"""Freed memory stays with the process while the run is on, and goes back after it."""

import resource
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten import Task
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.forward.malloc_tuning import FROM_HEAP, kept_heap, largest_block
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step

from tiny_tasks import mlp_task

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is for glibc")
MIB = 2**20


def wide_task() -> Task:
    return mlp_task(model=lambda: nn.Sequential(nn.Linear(5, 300), nn.ReLU(), nn.Linear(300, 300), nn.Linear(300, 2)))


IN_A_FRESH_PROCESS = """
import psutil, resource, torch
from hasten.techniques.forward.malloc_tuning import kept_heap

process = psutil.Process()

def page_faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(80 * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(page_faults(8))
before = process.memory_info().rss
with kept_heap():
    page_faults(8)
    print(page_faults(8))
    torch.ones(200 * 2**20, dtype=torch.uint8)
    print(process.memory_info().rss - before)
print(process.memory_info().rss - before)
"""
"""Where nothing has used the heap before: a block that once fitted into it is found there again.

The first blocks are not counted: by where the heap begins, an aligned one does not fit where one of its size was, up to
four times in eight, until a gap is large enough.
"""


def test_memory_is_kept_while_it_is_on_and_given_back_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS], capture_output=True, text=True, check=True)
    faults_outside, faults_inside, held_inside, held_afterwards = map(int, done.stdout.split())
    pages = 80 * MIB // resource.getpagesize()
    assert faults_outside > 7 * pages
    assert faults_inside < pages
    assert held_inside > 150 * MIB
    assert held_afterwards < 50 * MIB


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 8 * MIB), min_size=1, max_size=8))
def test_blocks_do_not_overlap(sizes: list[int]) -> None:
    with kept_heap():
        blocks = [torch.full((size,), number, dtype=torch.uint8) for number, size in enumerate(sizes)]
        del blocks[::2]
        blocks += [torch.full((size,), 100, dtype=torch.uint8) for size in sizes]
        kept = range(1, len(sizes), 2)
        for number, block in zip([*kept, *[100] * len(sizes)], blocks, strict=True):
            assert bool((block == number).all())


def test_a_step_gives_the_same_bits() -> None:
    plain, kept = build(baseline(wide_task())), build(make("malloc_tuning").apply(baseline(wide_task())))
    for run in (plain, kept):
        with run.contexts:
            step(run, next(run.batches())[1])
    assert all(map(torch.equal, kept.parameters, plain.parameters))


def test_refuses_what_it_cannot_help(monkeypatch: pytest.MonkeyPatch) -> None:
    technique, machine = make("malloc_tuning"), facts()
    small = baseline(mlp_task())
    assert largest_block(small) < FROM_HEAP
    assert "KiB the C library reuses memory anyway" in (technique.refuse(small, machine) or "")
    large = baseline(wide_task())
    assert technique.refuse(large, machine) is None
    assert "whose memory torch keeps itself" in (technique.refuse(baseline(mlp_task(), device="cuda"), machine) or "")
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    assert "jemalloc" in (technique.refuse(large, machine) or "")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert "not glibc" in (technique.refuse(large, machine) or "")
